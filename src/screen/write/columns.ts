/** The columns of a table that is made of rows of any kind: all fields that any row has, and what they hold. */

import { PersonaError } from '../../errors.ts';

export type ColumnKind = 'number' | 'boolean' | 'text' | 'json';
/** by field, in the order of their first appearance; undefined while all are null */
export type Columns = Map<string, ColumnKind | undefined>;

/** More are no table: data was used as names of fields. */
const MOST_COLUMNS = 2000;

/** Beyond the most, columns are no longer added. */
export function addColumns(columns: Columns, row: object): void {
  for (const [field, value] of Object.entries(row)) {
    const kind = kindOf(value);
    const before = columns.get(field);
    if (!columns.has(field)) {
      if (columns.size > MOST_COLUMNS) continue;
      columns.set(field, kind);
    } else if (before === undefined) columns.set(field, kind);
    else if (kind !== undefined && kind !== before) columns.set(field, 'json');
  }
}

/** @throws PersonaError UNSUPPORTED */
export function checkTable(columns: Columns): void {
  if (columns.size > MOST_COLUMNS)
    throw new PersonaError('UNSUPPORTED', `the rows have more than ${MOST_COLUMNS} different fields`, {
      remedy: 'Write them as .jsonl.',
    });
}

function kindOf(value: unknown): ColumnKind | undefined {
  if (value === null || value === undefined) return undefined;
  if (typeof value === 'string') return 'text';
  return typeof value === 'number' || typeof value === 'boolean'
    ? (typeof value as 'number' | 'boolean')
    : 'json';
}
