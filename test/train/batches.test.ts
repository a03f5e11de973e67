/** The order of samples, and how they are packed. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { batchOf, passesOf, stepCount } from '../../src/train/batches.ts';

const run = fc.record({
  samples: fc.integer({ min: 1, max: 60 }),
  batch: fc.integer({ min: 1, max: 12 }),
  epochs: fc.integer({ min: 1, max: 3 }),
  seed: fc.nat(),
});

test('each epoch goes through all samples once', () => {
  fc.assert(
    fc.property(run, ({ samples, batch, epochs, seed }) => {
      const steps = stepCount(samples, { batch, epochs });
      const perEpoch = steps / epochs;
      for (let epoch = 0; epoch < epochs; epoch++) {
        const batches = Array.from({ length: perEpoch }, (_, i) =>
          batchOf(samples, epoch * perEpoch + i, { batch, seed }),
        );
        expect(batches.slice(0, -1).every(({ length }) => length === batch)).toBe(true);
        expect(batches.at(-1)!.length).toBeGreaterThan(0);
        expect(batches.flat().toSorted((a, b) => a - b)).toEqual(
          Array.from({ length: samples }, (_, i) => i),
        );
      }
    }),
  );
});

test('a step has the same samples whenever it is asked for; epochs and seeds have orders of their own', () => {
  const order = (from: number, seed: number): number[] =>
    [0, 1, 2, 3, 4].flatMap((i) => batchOf(40, from + i, { batch: 8, seed }));
  expect(order(0, 1)).toEqual(order(0, 1));
  expect(order(0, 1)).not.toEqual(order(5, 1));
  expect(order(0, 1)).not.toEqual(order(0, 2));
  expect(order(5, 1)).not.toEqual(order(0, 2));
});

test('passes hold the samples in order, and no more tokens than allowed but for a sample that is longer by itself', () => {
  const lengths = fc.array(fc.integer({ min: 1, max: 50 }), { maxLength: 30 });
  fc.assert(
    fc.property(
      lengths,
      fc.integer({ min: 1, max: 80 }),
      fc.constantFrom(4, 30, 126),
      (all, room, layers) => {
        const samples = all.map((length) => ({ tokens: { length } }));
        const passes = passesOf(samples, room, layers);
        const most = Math.max(1, Math.floor(240 / layers));
        expect(passes.flat()).toEqual(samples);
        const sum = (pass: typeof samples): number => pass.reduce((n, { tokens }) => n + tokens.length, 0);
        passes.forEach((pass, i) => {
          expect(pass.length).toBeLessThanOrEqual(most);
          if (pass.length > 1) expect(sum(pass)).toBeLessThanOrEqual(room);
          // none is begun before the one before it is full
          const next = passes[i + 1]?.[0];
          if (next && pass.length < most) expect(sum([...pass, next])).toBeGreaterThan(room);
        });
      },
    ),
  );
  expect(
    passesOf(
      [5, 5, 30, 1].map((length) => ({ tokens: { length } })),
      10,
      4,
    ).map((p) => p.length),
  ).toEqual([2, 1, 1]);
});
