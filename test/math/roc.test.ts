import fc from 'fast-check';
import { expect, test } from 'vitest';
import { auc } from '../../src/math/auc.ts';
import { bestBound, roc } from '../../src/math/roc.ts';

test('a curve worked by hand', () => {
  expect(roc([3, 5], [1, 3])).toEqual([
    { bound: Infinity, hits: 0, falseAlarms: 0 },
    { bound: 5, hits: 0.5, falseAlarms: 0 },
    { bound: 3, hits: 1, falseAlarms: 0.5 },
    { bound: 1, hits: 1, falseAlarms: 1 },
  ]);
});

test('the best bound has the most hits beyond its false alarms, and there is none where scores are blind', () => {
  expect(bestBound(roc([4, 5, 6], [1, 2, 5]))).toEqual({ bound: 4, hits: 1, falseAlarms: 1 / 3 });
  expect(bestBound(roc([1], [2]))).toBeUndefined();
  expect(roc([], [1])).toEqual([]);
  expect(bestBound([])).toBeUndefined();
});

test('the area under it is the AUC', () => {
  const scores = fc.array(fc.integer({ min: 0, max: 6 }), { minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(scores, scores, (positives, negatives) => {
      const curve = roc(positives, negatives);
      let area = 0;
      for (const [i, { hits, falseAlarms }] of curve.slice(1).entries())
        area += ((falseAlarms - curve[i]!.falseAlarms) * (hits + curve[i]!.hits)) / 2;
      expect(area).toBeCloseTo(auc(positives, negatives), 12);
    }),
  );
});
