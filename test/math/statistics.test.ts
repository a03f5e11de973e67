import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ranks } from '../../src/math/ranks.ts';
import { deviation, mean, pearson, quantile, sortedQuantile, spearman } from '../../src/math/statistics.ts';

const sample = fc.array(fc.integer({ min: -50, max: 50 }), { minLength: 3, maxLength: 40 });

test('the worked examples hold', () => {
  expect([...ranks([10, 30, 20, 30])]).toEqual([1, 3.5, 2, 3.5]);
  expect(mean([1, 2, 6])).toBe(3);
  expect(deviation([2, 4, 4, 4, 5, 5, 7, 9])).toBeCloseTo(Math.sqrt(32 / 7), 14);
  expect(quantile([4, 1, 3, 2], 0.5)).toBe(2.5);
  expect(sortedQuantile([1, 2, 3, 4], 0.25)).toBe(1.75);
  expect(pearson([1, 2, 3], [2, 4, 6])).toBeCloseTo(1, 14);
  expect(pearson([1, 2, 3, 4], [1, 3, 2, 4])).toBeCloseTo(0.8, 14);
  expect(spearman([1, 2, 3, 4], [1, 100, 10, 1000])).toBeCloseTo(0.8, 14);
});

test('ranks are those that counting gives', () => {
  fc.assert(
    fc.property(sample, (values) => {
      const counted = values.map((value) => {
        const below = values.filter((other) => other < value).length;
        const equal = values.filter((other) => other === value).length;
        return below + (equal + 1) / 2;
      });
      expect([...ranks(values)]).toEqual(counted);
    }),
  );
});

test('quantiles run from the least to the greatest value and never fall', () => {
  fc.assert(
    fc.property(
      sample,
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (values, p, q) => {
        expect(quantile(values, 0)).toBe(Math.min(...values));
        expect(quantile(values, 1)).toBe(Math.max(...values));
        const [low, high] = p < q ? [p, q] : [q, p];
        expect(quantile(values, low)).toBeLessThanOrEqual(quantile(values, high) + 1e-9);
      },
    ),
  );
});

test('a quantile leaves its input as it was', () => {
  const values = [3, 1, 2];
  quantile(values, 0.5);
  expect(values).toEqual([3, 1, 2]);
});

test('a correlation does not see shift and positive scale, and turns its sign with a negative one', () => {
  fc.assert(
    fc.property(
      sample,
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: -9, max: 9 }),
      (x, scale, shift) => {
        fc.pre(new Set(x).size > 1);
        const y = x.map((_, i) => (i * 7) % 5);
        fc.pre(new Set(y).size > 1);
        const moved = x.map((value) => scale * value + shift);
        const turned = x.map((value) => -scale * value);
        expect(pearson(moved, y)).toBeCloseTo(pearson(x, y), 9);
        expect(pearson(turned, y)).toBeCloseTo(-pearson(x, y), 9);
        expect(
          spearman(
            x.map((value) => value ** 3),
            y,
          ),
        ).toBeCloseTo(spearman(x, y), 9);
      },
    ),
  );
});

test('figures that are not defined are NaN, and pairs that are none are refused', () => {
  expect(mean([])).toBeNaN();
  expect(deviation([1])).toBeNaN();
  expect(quantile([], 0.5)).toBeNaN();
  expect(pearson([1, 1], [1, 2])).toBeNaN();
  expect(() => pearson([1, 2], [1])).toThrow('expected pairs, got 2 and 1 values');
  expect(() => quantile([1], 50)).toThrow('expected a share from 0 to 1, got 50');
});
