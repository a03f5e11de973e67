/** Rows into a file of any format, which has its name only when all of them are in it. */

import { open, type FileHandle } from 'node:fs/promises';
import { csvLine } from '../../files/csv.ts';
import { fileProblem } from '../../files/file-problem.ts';
import { beginWhole } from '../../files/write-whole.ts';
import type { DataFormat } from '../read/files.ts';
import { checkTable, type Columns } from './columns.ts';
import { parquetRowWriter } from './parquet.ts';

export interface RowSink extends AsyncDisposable {
  readonly path: string;
  rows: number;
  write(row: object): Promise<void>;
  /** Gives the file its name. */
  finish(): Promise<void>;
}

/** How one format is written, to a file that is there already. */
export interface RowWriter {
  write(row: object): Promise<void>;
  end(): Promise<void>;
  /** Lets go of the file, also in the midst. */
  close(): Promise<void>;
}

/** @param columns of a table; JSONL needs none */
export async function openSink(path: string, format: DataFormat, columns: Columns): Promise<RowSink> {
  if (format !== 'jsonl') checkTable(columns);
  const whole = await beginWhole(path);
  try {
    const writer =
      format === 'parquet'
        ? parquetRowWriter(whole.temporary, columns)
        : await textWriter(whole.temporary, format === 'csv' ? [...columns.keys()] : undefined);
    const sink: RowSink = {
      path,
      rows: 0,
      async write(row) {
        try {
          await writer.write(row);
        } catch (error) {
          throw fileProblem('write', path, error);
        }
        sink.rows++;
      },
      async finish() {
        try {
          await writer.end();
          await writer.close();
        } catch (error) {
          throw fileProblem('write', path, error);
        }
        await whole.finish();
      },
      async [Symbol.asyncDispose]() {
        await writer.close();
        await whole[Symbol.asyncDispose]();
      },
    };
    return sink;
  } catch (error) {
    await whole[Symbol.asyncDispose]();
    throw fileProblem('write', path, error);
  }
}

/** Characters gathered before they are written. */
const BLOCK = 256 * 1024;

async function textWriter(path: string, columns: readonly string[] | undefined): Promise<RowWriter> {
  const file: FileHandle = await open(path, 'wx');
  let block = columns ? `${csvLine(columns)}\r\n` : '';
  return {
    async write(row) {
      block += columns
        ? `${csvLine(columns.map((column) => (row as Record<string, unknown>)[column]))}\r\n`
        : `${JSON.stringify(row)}\n`;
      if (block.length < BLOCK) return;
      await file.writeFile(block);
      block = '';
    },
    async end() {
      await file.writeFile(block);
    },
    close: () => file.close(), // closing twice is nothing
  };
}
