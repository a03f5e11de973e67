/** What readers of every format give: records one by one, and what is wrong with those that are none. */

export interface DataRecord {
  file: string;
  /** line of JSONL and CSV on which it begins; place in a Parquet file; from 1 */
  row: number;
  /** `file:line`, or `file, row n`: for people */
  place: string;
  fields: Record<string, unknown>;
}

export interface BadRecord {
  file: string;
  row: number;
  place: string;
  problem: string;
}

export type ReadRecord = DataRecord | BadRecord;

export function isBad(record: ReadRecord): record is BadRecord {
  return 'problem' in record;
}
