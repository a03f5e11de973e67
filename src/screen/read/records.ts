/** The records of a data file, whatever its format; and how many there are, where that is cheap to know. */

import { createReadStream } from 'node:fs';
import { fileProblem } from '../../files/file-problem.ts';
import { csvRecords } from './csv-records.ts';
import type { DataFile } from './files.ts';
import { jsonlRecords } from './jsonl-records.ts';
import { parquetRecords, parquetRows } from './parquet-records.ts';
import type { ReadRecord } from './record.ts';

export function recordsOf(file: DataFile): AsyncGenerator<ReadRecord> {
  if (file.format === 'csv') return csvRecords(file);
  return file.format === 'parquet' ? parquetRecords(file) : jsonlRecords(file);
}

const NEWLINE = 0x0a;

/**
 * The most records that a file can hold: by its lines, or as it says itself. A CSV field may hold line breaks, so there
 * may be fewer. undefined where it would have to be unpacked.
 */
export async function countRecords({ path, format, packing }: DataFile): Promise<number | undefined> {
  if (packing) return undefined;
  if (format === 'parquet') return await parquetRows(path);
  let lines = 0;
  let open = false; // a last line without its newline
  try {
    for await (const block of createReadStream(path) as AsyncIterable<Buffer>) {
      for (let at = block.indexOf(NEWLINE); at >= 0; at = block.indexOf(NEWLINE, at + 1)) lines++;
      open = block.at(-1) !== NEWLINE;
    }
  } catch (error) {
    throw fileProblem('read', path, error);
  }
  return Math.max(0, lines + (open ? 1 : 0) - (format === 'csv' ? 1 : 0));
}
