import fc from 'fast-check';
import { expect, test } from 'vitest';
import { signFlip } from '../../src/math/sign-flip.ts';

test('worked by hand', () => {
  expect(signFlip([1, 2, 3])).toBe(2 / 8); // sums ±6, ±4, ±2, 0, 0: two reach 6
  expect(signFlip([3, -2, 1])).toBe(6 / 8); // a sum of 2: all but the two signings whose sum is 0
  expect(signFlip([0, 0, 0, 0])).toBe(1);
  expect(signFlip([5])).toBe(1);
  expect(signFlip([])).toBeNaN();
  expect(signFlip(Array.from({ length: 10 }, () => 0.1))).toBe(2 / 1024); // equal sums, summed in any order
});

test('drawn signings agree with all of them, and p is the same for the same seed', () => {
  const values = [0.4, -1, 2, 0.3, 0.9, -0.2, 1.1, 0.5, -0.7, 1.4];
  const exact = signFlip(values);
  const drawn = signFlip(values, { flips: 1000 }); // fewer than 2^10, so drawn
  expect(Math.abs(drawn - exact)).toBeLessThan(0.05);
  expect(signFlip(values, { flips: 1000 })).toBe(drawn);
  expect(signFlip(Array.from({ length: 40 }, () => 1))).toBe(1 / 5000); // the floor: none of the drawn reached it
});

test('neither order, sign nor scale of all matters; no p is 0', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -9, max: 9 }), { minLength: 1, maxLength: 9 }), (values) => {
      const p = signFlip(values);
      expect(p).toBeGreaterThan(0);
      expect(p).toBeLessThanOrEqual(1);
      expect(signFlip(values.map((x) => -3 * x))).toBe(p);
      expect(signFlip(values.toReversed())).toBe(p);
    }),
  );
});

test('under no change, p is uniform: a twentieth of the samples has p of 0.05 or less', () => {
  const sizes = [1, 2.3, 0.7, 3.1, 1.9, 0.4, 2.8, 1.2];
  const ps = Array.from({ length: 256 }, (_, signs) =>
    signFlip(sizes.map((size, i) => ((signs >> i) % 2 === 1 ? -size : size))),
  );
  const small = ps.filter((p) => p <= 0.05).length / ps.length;
  expect(small).toBeLessThanOrEqual(0.05);
  expect(small).toBeGreaterThan(0.02);
});
