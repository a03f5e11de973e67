/** CSV record by record, by the columns that its first line names. All fields are text. */

import { parse } from 'csv-parse';
import { pipeline } from 'node:stream';
import { PersonaError } from '../../errors.ts';
import { MAX_LINE_BYTES } from '../../files/jsonl.ts';
import { bytesOf, bytesProblem } from './bytes.ts';
import type { DataFile } from './files.ts';
import type { BadRecord, ReadRecord } from './record.ts';

/** What csv-parse gives of a record: its fields, and the line on which it ends. */
interface Parsed {
  record: string[];
  info: { lines: number };
}

export async function* csvRecords(file: DataFile): AsyncGenerator<ReadRecord> {
  const bad: BadRecord[] = [];
  const parser = parse({
    bom: true,
    info: true,
    relax_column_count: true, // told below, with both numbers
    relax_quotes: true, // a stray one is text; to refuse it would cost the record after it too
    skip_empty_lines: true,
    skip_records_with_error: true,
    max_record_size: MAX_LINE_BYTES, // a quote that is never closed would take the whole file in
    on_skip: (error) => {
      if (error?.code === 'CSV_MAX_RECORD_SIZE') throw error;
      const row = (error as { lines?: number } | undefined)?.lines ?? 0;
      const problem = 'a quote that is never closed';
      bad.push({ file: file.path, row, place: `${file.path}:${row}`, problem });
      return undefined;
    },
  });
  pipeline(bytesOf(file), parser, () => {}); // its errors reach the loop
  let columns: string[] | undefined;
  let pairs = 0; // of carriage return and line feed within quotes, which csv-parse counts as two lines
  try {
    for await (const { record, info } of parser as AsyncIterable<Parsed>) {
      yield* bad.splice(0);
      const text = record.join('');
      pairs += text.split('\r\n').length - 1;
      const row = info.lines - pairs - (text.split('\n').length - 1);
      if (columns === undefined) {
        columns = checkColumns(record, file.path);
        continue;
      }
      const at = { file: file.path, row, place: `${file.path}:${row}` };
      if (record.length !== columns.length)
        yield { ...at, problem: `${record.length} fields, the first line names ${columns.length}` };
      else yield { ...at, fields: Object.fromEntries(columns.map((column, i) => [column, record[i]])) };
    }
    yield* bad.splice(0);
  } catch (error) {
    throw bytesProblem(file, error);
  }
}

function checkColumns(columns: readonly string[], path: string): string[] {
  const names = columns.map((column) => column.trim());
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined)
    throw new PersonaError('BAD_FILE', `${path}:1: two columns are called ${JSON.stringify(twice)}`, {
      remedy: 'Rename one of them.',
    });
  return names;
}
