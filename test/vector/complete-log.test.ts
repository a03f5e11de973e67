import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { z } from 'zod';
import type { Progress } from '../../src/model/progress.ts';
import { completeLog } from '../../src/vector/complete-log.ts';

interface Row {
  id: string;
  square?: number | undefined;
}

const schema = z.object({ id: z.string(), square: z.number().optional() }) as z.ZodType<Row>;

/** Squares in the reverse order; from `fails` on it fails. */
function squares(fails?: string) {
  const made: string[] = [];
  const make = async function* (missing: readonly Row[]): AsyncGenerator<Row> {
    for (const { id } of missing.toReversed()) {
      if (id === fails) throw new Error(`no ${id}`);
      made.push(id);
      yield { id, square: Number(id) ** 2 };
    }
  };
  return { made, make };
}

function work(make: (missing: readonly Row[]) => AsyncIterable<Row>, told: Progress[] = []) {
  const items: Row[] = ['1', '2', '3'].map((id) => ({ id }));
  return {
    schema,
    keyOf: ({ id }: Row): string => id,
    counts: ({ square }: Row): boolean => square !== 1,
    items,
    make,
    label: 'squaring',
    unit: 'numbers',
    onProgress: (progress: Progress): void => void told.push(progress),
  };
}

async function aLog(): Promise<string> {
  return join(await mkdtemp(join(tmpdir(), 'log-')), 'squares.jsonl');
}

test('what came before a failure is kept, and only the rest is made; rows come in the order of the items', async () => {
  const path = await aLog();
  await expect(completeLog(path, work(squares('1').make))).rejects.toThrow('no 1');
  const { make, made } = squares();
  const told: Progress[] = [];
  expect(await completeLog(path, work(make, told))).toEqual([
    { id: '1', square: 1 },
    { id: '2', square: 4 },
    { id: '3', square: 9 },
  ]);
  expect(made).toEqual(['1']);
  expect(told.map(({ done, total }) => [done, total])).toEqual([[2, 3], [3, 3]]); // prettier-ignore
});

test('a row that does not count is made again', async () => {
  const path = await aLog();
  await completeLog(path, work(squares().make));
  const { make, made } = squares();
  await completeLog(path, work(make));
  expect(made).toEqual(['1']);
  expect((await readFile(path, 'utf8')).trim().split('\n')).toHaveLength(4);
});
