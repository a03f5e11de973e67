/** Brings a log of a run to completion: what it holds is not done again, and what comes is kept as it comes. */

import type { z } from 'zod';
import type { Progress } from '../model/progress.ts';
import { openRunLog } from './run-folder.ts';

export interface LogWork<Item, Row extends object> {
  schema: z.ZodType<Row>;
  /** the same for an item and for the row that comes of it */
  keyOf: (of: Item | Row) => string;
  /** rows that do not are made again. @default all do */
  counts?: (row: Row) => boolean;
  /** what is to be in the log at the end */
  items: readonly Item[];
  /** in any order */
  make: (missing: readonly Item[]) => AsyncIterable<Row>;
  /** what this is, for people who wait */
  label: string;
  /** what an item is called, in the plural */
  unit: string;
  onProgress?: ((progress: Progress) => void) | undefined;
}

/** @returns the rows in the order of the items, whatever the order they came in: figures do not depend on timing */
export async function completeLog<Item, Row extends object>(
  path: string,
  { schema, keyOf, counts, items, make, label, unit, onProgress }: LogWork<Item, Row>,
): Promise<Row[]> {
  const { rows, log } = await openRunLog<Row>(path, schema, keyOf, counts);
  await using _ = log;
  const done = new Map(rows.map((row) => [keyOf(row), row]));
  const missing = items.filter((item) => !done.has(keyOf(item)));
  let finished = items.length - missing.length;
  const tell = (): void => onProgress?.({ label, done: finished, total: items.length, unit });
  tell();
  for await (const row of make(missing)) {
    await log.append(row);
    done.set(keyOf(row), row);
    finished++;
    tell();
  }
  return items.map((item) => done.get(keyOf(item))!);
}
