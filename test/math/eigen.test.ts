import fc from 'fast-check';
import { expect, test } from 'vitest';
import { symmetricEigen } from '../../src/math/eigen.ts';
import { dot } from '../../src/math/vector.ts';

test('worked by hand', () => {
  const { values, vectors } = symmetricEigen([2, 1, 1, 2], 2);
  expect(values[0]).toBeCloseTo(3, 12);
  expect(values[1]).toBeCloseTo(1, 12);
  expect(Math.abs(vectors[0]! - vectors[1]!)).toBeLessThan(1e-12); // ±[1, 1]/√2
  expect(Math.abs(vectors[0]!)).toBeCloseTo(Math.SQRT1_2, 12);
  expect(symmetricEigen([], 0).values).toHaveLength(0);
  expect(symmetricEigen([-4], 1)).toEqual({ values: Float64Array.of(-4), vectors: Float64Array.of(1) });
  expect(() => symmetricEigen([1, 2], 2)).toThrow(RangeError);
  // already diagonal, unordered, one value twice
  expect(Array.from(symmetricEigen([1, 0, 0, 0, 5, 0, 0, 0, 1], 3).values)).toEqual([5, 1, 1]);
});

test('A v = λ v, with orthonormal v, largest λ first', () => {
  const symmetric = fc.integer({ min: 1, max: 8 }).chain((n) =>
    fc
      .array(fc.double({ min: -10, max: 10, noNaN: true }), { minLength: n * n, maxLength: n * n })
      .map((x) => ({
        n,
        matrix: x.map((_, k) => x[k]! + x[(k % n) * n + Math.floor(k / n)]!),
      })),
  );
  fc.assert(
    fc.property(symmetric, ({ n, matrix }) => {
      const { values, vectors } = symmetricEigen(matrix, n);
      for (let k = 0; k < n; k++) {
        const v = vectors.subarray(k * n, (k + 1) * n);
        if (k > 0) expect(values[k]).toBeLessThanOrEqual(values[k - 1]!);
        for (let i = 0; i < n; i++)
          expect(dot(matrix.slice(i * n, (i + 1) * n), v)).toBeCloseTo(values[k]! * v[i]!, 9);
        for (let j = 0; j < n; j++)
          expect(dot(v, vectors.subarray(j * n, (j + 1) * n))).toBeCloseTo(j === k ? 1 : 0, 9);
      }
    }),
  );
});
