/** Reads CSV text as RFC 4180 has it: rows of fields; a quoted field may hold commas, newlines and doubled quotes. */

import { PersonaError } from '../errors.ts';

export interface CsvRow {
  /** where it begins, from 1 */
  line: number;
  fields: string[];
}

/** A field, quoted (1) or bare (2), and what ends it (3). */
const FIELD = /(?:"([^"]*(?:""[^"]*)*)"|([^",\r\n][^,\r\n]*|))(,|\r?\n|$)/y;

/**
 * csvRows('a,"b ""c"", d"\r\n', 'x.csv') = [{ line: 1, fields: ['a', 'b "c", d'] }]; blank lines are passed over.
 * @param place names the text in errors
 */
export function csvRows(text: string, place: string): CsvRow[] {
  const rows: CsvRow[] = [];
  let line = 1;
  let row: CsvRow = { line, fields: [] };
  FIELD.lastIndex = 0;
  for (let at = 0; at < text.length || row.fields.length > 0; at = FIELD.lastIndex) {
    const found = FIELD.exec(text);
    if (found === null) {
      const message = `${place}:${line}: a quote within a field, after it, or never closed`;
      throw new PersonaError('BAD_FILE', message, {
        remedy: 'Quote the whole field, and double the quotes within.',
      });
    }
    const [whole, quoted, bare = '', end] = found;
    row.fields.push(quoted?.replaceAll('""', '"') ?? bare);
    line += whole.split('\n').length - 1;
    if (end === ',') continue;
    if (row.fields.length > 1 || row.fields[0] !== '') rows.push(row);
    row = { line, fields: [] };
  }
  return rows;
}
