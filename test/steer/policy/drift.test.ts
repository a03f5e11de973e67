import fc from 'fast-check';
import { expect, test } from 'vitest';
import { slopeOf } from '../../../src/steer/policy/drift.ts';

test('the slope of the line with the least squares', () => {
  expect(slopeOf([[0, 1], [1, 3], [2, 5]])).toBe(2); // prettier-ignore
  // means 1.5 and 1: (−1.5·−1 + −0.5·0 + 0.5·−1 + 1.5·2) / (2.25 + 0.25 + 0.25 + 2.25)
  expect(slopeOf([[0, 0], [1, 1], [2, 0], [3, 3]])).toBeCloseTo(0.8, 12); // prettier-ignore
  // turns that are missing count by their distance
  expect(slopeOf([[3, 0], [7, 2]])).toBe(0.5); // prettier-ignore
  expect(slopeOf([[3, 1]])).toBeNaN();
});

test('no other slope has smaller squares', () => {
  const values = fc.array(fc.integer({ min: -20, max: 20 }), { minLength: 2, maxLength: 12 });
  fc.assert(
    fc.property(values, fc.double({ min: -5, max: 5, noNaN: true }), (ys, other) => {
      const points = ys.map((y, x): [number, number] => [x, y]);
      const mean = ys.reduce((sum, y) => sum + y, 0) / ys.length;
      const middle = (ys.length - 1) / 2;
      const squares = (slope: number): number =>
        points.reduce((sum, [x, y]) => sum + (y - mean - slope * (x - middle)) ** 2, 0);
      expect(squares(slopeOf(points))).toBeLessThanOrEqual(squares(other) + 1e-9);
    }),
  );
});
