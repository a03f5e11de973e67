import fc from 'fast-check';
import { expect, test } from 'vitest';
import { orthonormal, shareInSpan } from '../../src/math/span.ts';
import { dot } from '../../src/math/vector.ts';

test('worked by hand', () => {
  expect(orthonormal([[2, 0], [1, 1], [3, 3]]).map((axis) => [...axis])).toEqual([[1, 0], [0, 1]]); // prettier-ignore
  expect(shareInSpan([3, 4], [[1, 0]])).toBe(9 / 25);
  expect(shareInSpan([3, 4, 0], orthonormal([[1, 1, 0], [1, -1, 0]]))).toBeCloseTo(1, 12); // prettier-ignore
  expect(shareInSpan([0, 0], [[1, 0]])).toBeNaN();
  expect(orthonormal([[0, 0], [0, 5]]).map((axis) => [...axis])).toEqual([[0, 1]]); // prettier-ignore
});

test('a basis is orthonormal, and holds all of what it was made of', () => {
  const vector = fc.array(fc.integer({ min: -50, max: 50 }), { minLength: 5, maxLength: 5 });
  fc.assert(
    fc.property(fc.array(vector, { minLength: 1, maxLength: 7 }), (vectors) => {
      const basis = orthonormal(vectors);
      for (const [i, a] of basis.entries())
        for (const [j, b] of basis.entries()) expect(dot(a, b)).toBeCloseTo(i === j ? 1 : 0, 9);
      for (const own of vectors)
        if (own.some((x) => x !== 0)) expect(shareInSpan(own, basis)).toBeCloseTo(1, 8);
    }),
  );
});
