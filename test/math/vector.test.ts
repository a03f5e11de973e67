import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  addScaled,
  cosine,
  difference,
  dot,
  meanOfRows,
  norm,
  project,
  unit,
} from '../../src/math/vector.ts';

const numbers = (length: number) =>
  fc.array(fc.double({ min: -1e3, max: 1e3, noNaN: true }), { minLength: length, maxLength: length });

test('the worked examples hold', () => {
  expect(dot([1, 2, 3], [4, 5, 6])).toBe(32);
  expect(norm([3, 4])).toBe(5);
  expect(cosine([1, 0], [1, 1])).toBeCloseTo(1 / Math.SQRT2, 15);
  expect(project([2, 1], [0, 10])).toBe(1);
  expect([...unit([3, 4])]).toEqual([Math.fround(0.6), Math.fround(0.8)]);
  expect([...difference([5, 7], [1, 2])]).toEqual([4, 5]);
  const sum = new Float64Array([1, 1]);
  addScaled(sum, [2, 3], 10);
  expect([...sum]).toEqual([21, 31]);
  expect([...meanOfRows([1, 2, 3, 4, 5, 9], 2)]).toEqual([3, 5]);
  expect([...meanOfRows([1, 2, 3, 4, 5, 9], 2, [0, 2])]).toEqual([3, 5.5]);
});

test('a projection is linear in what is projected and blind to the length of the direction', () => {
  fc.assert(
    fc.property(
      numbers(5),
      numbers(5),
      numbers(5),
      fc.double({ min: 0.1, max: 10, noNaN: true }),
      (a, b, v, scale) => {
        fc.pre(norm(v) > 1e-3);
        const both = a.map((x, i) => x + scale * b[i]!);
        expect(project(both, v)).toBeCloseTo(project(a, v) + scale * project(b, v), 6);
        const longer = v.map((x) => x * scale);
        expect(project(a, longer)).toBeCloseTo(project(a, v), 6);
      },
    ),
  );
});

test('what is left after a projection is taken away is at right angles to the direction', () => {
  fc.assert(
    fc.property(numbers(4), numbers(4), (a, v) => {
      fc.pre(norm(v) > 1e-3);
      const left = Float64Array.from(a);
      addScaled(left, v, -project(a, v) / norm(v));
      expect(Math.abs(project(left, v))).toBeLessThan(1e-6);
    }),
  );
});

test('sums run in float64: a million small steps do not stall', () => {
  const sum = new Float64Array(1);
  const step = new Float32Array([0.1]);
  for (let i = 0; i < 1e6; i++) addScaled(sum, step);
  expect(sum[0]! / 1e6).toBeCloseTo(0.1, 6); // a float32 sum ends 1 % off
});

test('a row named twice counts twice', () => {
  expect([...meanOfRows([0, 3, 6], 1, [0, 2, 2])]).toEqual([4]);
});

test('no rows have no mean, a zero vector no direction', () => {
  expect([...meanOfRows([], 2)]).toEqual([NaN, NaN]);
  expect(cosine([0, 0], [1, 2])).toBeNaN();
  expect(project([1, 2], [0, 0])).toBeNaN();
});

test('lengths that do not fit are refused', () => {
  expect(() => dot([1], [1, 2])).toThrow('expected vectors of equal length, got 1 and 2');
  expect(() => meanOfRows([1, 2, 3], 2)).toThrow('expected rows of 2 numbers, got 3 numbers in all');
  expect(() => meanOfRows([1, 2], 2, [1])).toThrow('expected a row in 0 … 0, got 1');
});
