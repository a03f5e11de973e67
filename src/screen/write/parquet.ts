/** Parquet, a row group at a time: no more of the table is in memory. */

import {
  type BasicType,
  type ColumnSource,
  fileWriter,
  ParquetWriter,
  schemaFromColumnData,
} from 'hyparquet-writer';
import type { ColumnKind, Columns } from './columns.ts';
import type { RowWriter } from './sink.ts';

/** Of a row group: readers skip and load by the group, and it is what is held here. */
const GROUP = 5000;

const TYPES: Record<ColumnKind, BasicType> = {
  number: 'DOUBLE',
  boolean: 'BOOLEAN',
  text: 'STRING',
  json: 'JSON',
};

export function parquetRowWriter(path: string, columns: Columns): RowWriter {
  const kinds = [...columns].map(([name, kind]) => ({ name, kind: kind ?? 'text' }));
  const of = (rows: readonly Record<string, unknown>[]): ColumnSource[] =>
    kinds.map(({ name, kind }) => ({
      name,
      type: TYPES[kind],
      nullable: true,
      data: rows.map((row) => cell(row[name], kind)),
    }));
  const writer = new ParquetWriter({
    writer: fileWriter(path),
    schema: schemaFromColumnData({ columnData: of([]) }),
    createdBy: 'persona-vectors',
  });
  let rows: Record<string, unknown>[] = [];
  async function flush(): Promise<void> {
    if (rows.length > 0) await writer.write({ columnData: of(rows), rowGroupSize: GROUP });
    rows = [];
  }
  return {
    async write(row) {
      rows.push(row as Record<string, unknown>);
      if (rows.length === GROUP) await flush();
    },
    async end() {
      await flush();
      await writer.finish();
    },
    close: async () => {}, // it holds no file open
  };
}

function cell(value: unknown, kind: ColumnKind): unknown {
  if (value === null || value === undefined) return null;
  return kind === 'number' && !Number.isFinite(value) ? null : value;
}
