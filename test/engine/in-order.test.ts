import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { mapInOrder } from '../../src/engine/in-order.ts';

test('results come in the order of the items, whichever is done first', async () => {
  const work = async (ms: number): Promise<number> => {
    await sleep(ms);
    return ms;
  };
  expect(await Array.fromAsync(mapInOrder([30, 1, 20, 5], 4, work))).toEqual([30, 1, 20, 5]);
  expect(await Array.fromAsync(mapInOrder([], 4, work))).toEqual([]);
});

test('no more than the limit are under way, and as many as that', async () => {
  let running = 0;
  let most = 0;
  const work = async (): Promise<void> => {
    most = Math.max(most, ++running);
    await sleep(2);
    running--;
  };
  await Array.fromAsync(mapInOrder(Array(20).keys(), 3, work));
  expect(most).toBe(3);
});

test('a result is given while the source waits for its next item', async () => {
  const more = Promise.withResolvers<void>();
  async function* source(): AsyncGenerator<number> {
    yield 1;
    await more.promise;
    yield 2;
  }
  const results = mapInOrder(source(), 4, (n) => Promise.resolve(n));
  expect((await results.next()).value).toBe(1);
  more.resolve();
  expect((await results.next()).value).toBe(2);
  expect((await results.next()).done).toBe(true);
});

test('a failure of work or source comes in its turn', async () => {
  const seen: number[] = [];
  const take = async (results: AsyncIterable<number>): Promise<void> => {
    for await (const result of results) seen.push(result);
  };
  const work = async (n: number): Promise<number> => {
    if (n === 2) throw new Error('work');
    await sleep(5);
    return n;
  };
  await expect(take(mapInOrder([0, 1, 2, 3], 4, work))).rejects.toThrow('work');
  expect(seen).toEqual([0, 1]);
  function* source(): Generator<number> {
    yield 7;
    throw new Error('source');
  }
  await expect(take(mapInOrder(source(), 4, work))).rejects.toThrow('source');
  expect(seen).toEqual([0, 1, 7]);
});

test('who has enough ends the reading of the source', async () => {
  let read = 0;
  function* source(): Generator<number> {
    for (;;) yield read++;
  }
  for await (const result of mapInOrder(source(), 2, (n) => Promise.resolve(n))) if (result === 3) break;
  const after = read;
  await sleep(5);
  expect(read).toBeLessThanOrEqual(after + 1);
  expect(read).toBeLessThan(10);
});
