import fc from 'fast-check';
import { expect, test } from 'vitest';
import { wilson } from '../../src/math/wilson.ts';

test('the worked example holds', () => {
  const { mean, low, high, n } = wilson(8, 10);
  expect(mean).toBe(0.8);
  expect(low).toBeCloseTo(0.4902, 4);
  expect(high).toBeCloseTo(0.9433, 4);
  expect(n).toBe(10);
});

test('the ends are where the score test just rejects: |share − p| = z √(p (1 − p) / n)', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 200 }), fc.nat(200), (n, k) => {
      const successes = k % (n + 1);
      const { mean, low, high } = wilson(successes, n);
      expect(low).toBeGreaterThanOrEqual(0);
      expect(high).toBeLessThanOrEqual(1);
      for (const p of [low, high])
        expect(Math.abs(mean - p)).toBeCloseTo(1.959963984540054 * Math.sqrt((p * (1 - p)) / n), 9);
    }),
  );
});

test('none or all successes still leave room on one side only', () => {
  expect(wilson(0, 10).low).toBe(0);
  expect(wilson(0, 10).high).toBeCloseTo(0.2775, 4);
  expect(wilson(10, 10).high).toBe(1);
  expect(wilson(0, 0)).toEqual({ mean: NaN, low: 0, high: 1, n: 0 });
  expect(() => wilson(3, 2)).toThrow('expected 0 … 2 successes, got 3');
});
