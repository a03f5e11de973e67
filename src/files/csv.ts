/** CSV tables: lines written, and rows read by the columns of a header. */

import { readFile, stat } from 'node:fs/promises';
import { PersonaError } from '../errors.ts';
import { csvRows } from './csv-read.ts';
import { decodeText } from './decode-text.ts';
import { fileProblem } from './file-problem.ts';

/** A table is taken into memory whole; larger data sets come as JSONL. */
const MAX_CSV_BYTES = 256 * 2 ** 20;

/** csvLine(['a', 1.5, null, 'b "c", d']) = 'a,1.5,,"b ""c"", d"' ; objects and lists become JSON text */
export function csvLine(values: readonly unknown[]): string {
  return values.map(csvField).join(',');
}

function csvField(value: unknown): string {
  if (value === null || value === undefined) return '';
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export interface CsvRecord {
  /** on which it begins, from 1 */
  line: number;
  /** all as text: an answer `NA` or `1e5` is what it says */
  value: Record<string, string>;
}

/** The rows of a file, by the columns that its first line names. */
export async function readCsv(path: string): Promise<CsvRecord[]> {
  try {
    const { size } = await stat(path);
    if (size > MAX_CSV_BYTES) {
      throw new PersonaError('BAD_FILE', `${path}: ${size} bytes; a CSV file may have ${MAX_CSV_BYTES}`, {
        remedy: 'Give the rows as JSONL.',
      });
    }
    return parseCsv(decodeText(await readFile(path), path), path);
  } catch (error) {
    throw fileProblem('read', path, error);
  }
}

/** parseCsv('a,b\n1,"x ""y"""', 'f') = [{ line: 2, value: { a: '1', b: 'x "y"' } }] */
export function parseCsv(text: string, name: string): CsvRecord[] {
  const [header, ...records] = csvRows(text, name);
  if (header === undefined) return [];
  return records.map(({ line, fields }) => {
    if (fields.length !== header.fields.length) {
      throw new PersonaError(
        'BAD_FILE',
        `${name}:${line}: ${fields.length} fields, the first line names ${header.fields.length}`,
      );
    }
    return { line, value: Object.fromEntries(header.fields.map((column, i) => [column, fields[i]!])) };
  });
}
