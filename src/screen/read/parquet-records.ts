/** Parquet, row group by row group: one of them is in memory at a time. */

import { asyncBufferFromFile, type FileMetaData, parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { PersonaError } from '../../errors.ts';
import { fileProblem } from '../../files/file-problem.ts';
import type { DataFile } from './files.ts';
import type { DataRecord } from './record.ts';

export async function* parquetRecords({ path }: DataFile): AsyncGenerator<DataRecord> {
  const { file, metadata } = await openParquet(path);
  let start = 0;
  for (const group of metadata.row_groups) {
    const end = start + Number(group.num_rows);
    let rows: Record<string, unknown>[];
    try {
      rows = await parquetReadObjects({ file, metadata, compressors, rowStart: start, rowEnd: end });
    } catch (error) {
      throw broken(path, error);
    }
    for (const [i, fields] of rows.entries()) {
      const row = start + i + 1;
      yield {
        file: path,
        row,
        place: `${path}, row ${row}`,
        fields: plain(fields) as Record<string, unknown>,
      };
    }
    start = end;
  }
}

export async function parquetRows(path: string): Promise<number> {
  return Number((await openParquet(path)).metadata.num_rows);
}

async function openParquet(
  path: string,
): Promise<{ file: Awaited<ReturnType<typeof asyncBufferFromFile>>; metadata: FileMetaData }> {
  let file;
  try {
    file = await asyncBufferFromFile(path);
  } catch (error) {
    throw fileProblem('read', path, error);
  }
  try {
    return { file, metadata: await parquetMetadataAsync(file) };
  } catch (error) {
    throw broken(path, error);
  }
}

function broken(path: string, error: unknown): PersonaError {
  return new PersonaError('BAD_FILE', `${path}: ${(error as Error).message}`, {
    remedy: 'Check that the file is Parquet, and whole.',
    cause: error,
  });
}

/** What JSON can say: whole numbers of 64 bits as numbers where they fit, times as ISO text, bytes as base64. */
function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (ArrayBuffer.isView(value)) return Array.from(value as Float64Array, plain);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
  return value === undefined ? null : value;
}
