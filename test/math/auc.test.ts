import fc from 'fast-check';
import { expect, test } from 'vitest';
import { auc, dPrime } from '../../src/math/auc.ts';

const sample = fc.array(fc.integer({ min: 0, max: 8 }), { minLength: 1, maxLength: 15 });

test('the worked examples hold', () => {
  expect(auc([3, 5], [1, 3])).toBe(0.875);
  expect(dPrime([4, 6], [1, 3])).toBeCloseTo(3 / Math.SQRT2, 14);
});

test('the area is the share of pairs won, a tie counting half', () => {
  fc.assert(
    fc.property(sample, sample, (positives, negatives) => {
      let won = 0;
      for (const p of positives) for (const n of negatives) won += p > n ? 1 : p === n ? 0.5 : 0;
      expect(auc(positives, negatives)).toBeCloseTo(won / (positives.length * negatives.length), 12);
      expect(auc(positives, negatives) + auc(negatives, positives)).toBeCloseTo(1, 12);
    }),
  );
});

test('an empty side has no area, a single value no spread', () => {
  expect(auc([], [1])).toBeNaN();
  expect(dPrime([1], [1, 2])).toBeNaN();
});
