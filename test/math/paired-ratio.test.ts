import fc from 'fast-check';
import { expect, test } from 'vitest';
import { pairedRatio } from '../../src/math/paired-ratio.ts';

test('the worked example holds', () => {
  expect(pairedRatio([1, 4, 9], [2, 4, 6])).toEqual({ median: 1, low: 0.75, high: 1.25, pairs: 3 });
});

test('a drift that falls on both alike changes nothing', () => {
  const speed = fc.double({ min: 0.1, max: 10, noNaN: true });
  fc.assert(
    fc.property(fc.array(fc.tuple(speed, speed, speed), { minLength: 1 }), (pairs) => {
      const a = pairs.map(([x]) => x);
      const b = pairs.map(([, y]) => y);
      const drifted = pairedRatio(
        pairs.map(([x, , z]) => x * z),
        pairs.map(([, y, z]) => y * z),
      );
      const steady = pairedRatio(a, b);
      expect(drifted.median).toBeCloseTo(steady.median, 9);
      expect(steady.low).toBeLessThanOrEqual(steady.median);
      expect(steady.high).toBeGreaterThanOrEqual(steady.median);
    }),
  );
});

test('one slow neighbour moves the mean, not the median', () => {
  expect(pairedRatio([100, 20, 100], [100, 100, 100]).median).toBe(1);
});

test('without pairs there is no ratio', () => {
  expect(pairedRatio([], [])).toEqual({ median: NaN, low: NaN, high: NaN, pairs: 0 });
  expect(() => pairedRatio([1], [])).toThrow('expected pairs, got 1 and 0 values');
});
