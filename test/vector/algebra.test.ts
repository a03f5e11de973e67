import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { dot, norm } from '../../src/math/vector.ts';
import {
  along,
  away,
  increments,
  lengthsOf,
  orthogonalise,
  weightedSum,
  withLengths,
} from '../../src/vector/algebra.ts';
import { accumulated } from '../support/accumulated.ts';

const WIDTH = 6;
const LAYERS = 3;
/** Directions as they are met: numbers around 1, some layers zero. */
const matrix = fc
  .array(fc.oneof({ weight: 9, arbitrary: fc.double({ min: -4, max: 4, noNaN: true }) }, fc.constant(0)), {
    minLength: LAYERS * WIDTH,
    maxLength: LAYERS * WIDTH,
  })
  .map((values) => Float32Array.from(values, (x) => (Math.abs(x) < 1e-3 ? 0 : x)));
const rows = (v: Float32Array): Float32Array[] =>
  Array.from({ length: LAYERS }, (_, b) => v.subarray(b * WIDTH, (b + 1) * WIDTH));

function expectClose(a: Float32Array, b: Float32Array, digits = 4): void {
  for (const [i, x] of a.entries()) expect(x).toBeCloseTo(b[i]!, digits);
}

describe('worked by hand', () => {
  const v = Float32Array.of(3, 4, 1, 0);
  test('sums and parts', () => {
    expect(weightedSum([{ directions: v, weight: 2 }, { directions: Float32Array.of(0, 1, 0, 1), weight: -1 }])).toEqual(Float32Array.of(6, 7, 2, -1)); // prettier-ignore
    expect(along(v, Float32Array.of(0, 2, 0, 0), 2)).toEqual(Float32Array.of(0, 4, 0, 0));
    expect(away(v, [Float32Array.of(0, 2, 0, 0)], 2)).toEqual(Float32Array.of(3, 0, 1, 0));
    expect(away(v, [v], 2)).toEqual(new Float32Array(4));
  });
  test('lengths and increments', () => {
    expect(withLengths(v, 10, 2)).toEqual(Float32Array.of(6, 8, 10, 0));
    expect(withLengths(Float32Array.of(3, 4, 0, 0), [5, 2], 2)).toEqual(Float32Array.of(3, 4, 0, 0));
    expect(lengthsOf(v, 2)).toEqual([5, 1]);
    expect(increments(v, 2)).toEqual(Float32Array.of(3, 4, -2, -4));
  });
  test('what two directions hold together is taken away, also when they are not orthogonal', () => {
    const [a, b] = [Float32Array.of(1, 0, 0), Float32Array.of(1, 1, 0)];
    expectClose(away(Float32Array.of(1, 2, 3), [a, b], 3), Float32Array.of(0, 0, 3));
    // one after the other is not enough: what is left here has a part along a
    expectClose(away(away(Float32Array.of(1, 2, 3), [a], 3), [b], 3), Float32Array.of(-1, 1, 3));
  });
});

test('what is along and what is away make the whole, at right angles', () => {
  fc.assert(
    fc.property(matrix, matrix, (v, u) => {
      const [part, rest] = [along(v, u, WIDTH), away(v, [u], WIDTH)];
      expectClose(weightedSum([part, rest].map((directions) => ({ directions, weight: 1 }))), v);
      for (const [b, row] of rows(rest).entries())
        expect(Math.abs(dot(row, rows(u)[b]!))).toBeLessThan(1e-4 * (1 + norm(rows(u)[b]!)));
    }),
  );
});

test('away from several is orthogonal to each; doing it again changes nothing', () => {
  fc.assert(
    fc.property(matrix, fc.array(matrix, { minLength: 1, maxLength: 3 }), (v, others) => {
      const rest = away(v, others, WIDTH);
      for (const other of others)
        for (const [b, row] of rows(rest).entries())
          expect(Math.abs(dot(row, rows(other)[b]!))).toBeLessThan(2e-3);
      expectClose(away(rest, others, WIDTH), rest);
    }),
  );
});

test('orthogonalised vectors are orthogonal, and the first one stays', () => {
  fc.assert(
    fc.property(fc.array(matrix, { minLength: 2, maxLength: 4 }), (vectors) => {
      const made = orthogonalise(vectors, WIDTH);
      expectClose(made[0]!, vectors[0]!);
      for (const [i, a] of made.entries())
        for (const c of made.slice(0, i))
          for (const [b, row] of rows(a).entries())
            expect(Math.abs(dot(row, rows(c)[b]!))).toBeLessThan(2e-3);
    }),
  );
});

test('increments sum back', () => {
  fc.assert(fc.property(matrix, (v) => expectClose(accumulated(increments(v, WIDTH), WIDTH), v)));
});

test('sums are linear, and lengths are what was asked for', () => {
  fc.assert(
    fc.property(matrix, matrix, fc.double({ min: -3, max: 3, noNaN: true }), (v, u, weight) => {
      const sum = weightedSum([{ directions: v, weight }, { directions: u, weight: 1 }]); // prettier-ignore
      for (const [i, x] of sum.entries()) expect(x).toBeCloseTo(weight * v[i]! + u[i]!, 4);
      for (const [b, row] of rows(withLengths(v, 2.5, WIDTH)).entries())
        expect(norm(row)).toBeCloseTo(norm(rows(v)[b]!) > 0 ? 2.5 : 0, 5);
    }),
  );
});
