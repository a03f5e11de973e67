import { expect, test } from 'vitest';
import { meanInterval, studentT } from '../../src/math/mean-interval.ts';

test.each([
  [1, 12.7062], [2, 4.3027], [3, 3.1824], [4, 2.7764], [5, 2.5706], [10, 2.2281], [30, 2.0423], [1000, 1.9623],
])('t(%d) is the table’s %d, to one part in a hundred', (degrees, expected) => {
  expect(Math.abs(studentT(degrees) / expected - 1)).toBeLessThan(0.01);
}); // prettier-ignore

test('an interval worked by hand', () => {
  const { low, high } = meanInterval(3, 10, 2); // 10 ± 4.3027 · 2/√3
  expect(low).toBeCloseTo(5.0317, 3);
  expect(high).toBeCloseTo(14.9683, 3);
  expect(meanInterval(3, 10, 0, 4).high).toBeCloseTo(10 + 2 * 4.3027, 3);
  expect(meanInterval(1, 10, 0)).toEqual({ mean: 10, low: NaN, high: NaN });
});
