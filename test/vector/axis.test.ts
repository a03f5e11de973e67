/** Roles that are planted: known directions, known spreads. */

import { expect, test } from 'vitest';
import { random } from '../../src/math/random.ts';
import { cosine, dot } from '../../src/math/vector.ts';
import {
  assistantAxis,
  axisCosine,
  capFloors,
  capLayers,
  componentsFor,
  roleSpace,
} from '../../src/vector/axis.ts';

const WIDTH = 32;
const LAYERS = 2;
const next = random(5);
/** At layer 1: 40 roles along e0 (spread 9), e1 (3) and e2 (1), around a mean; at layer 0: noise. */
const places = Array.from({ length: 40 }, () => [9, 3, 1].map((spread) => spread * next.normal()));
const roles = places.map((place) =>
  Float32Array.from({ length: LAYERS * WIDTH }, (_, k) =>
    k < WIDTH ? next.normal() : 5 + (place[k - WIDTH] ?? 0),
  ),
);

test('the axis is what the default has more of than the roles', () => {
  const [a, b] = [Float32Array.of(1, 2, 3, 4), Float32Array.of(3, 2, 1, 0)];
  expect(assistantAxis([a, b], [b, b])).toEqual(Float32Array.of(-1, 0, 1, 2));
  expect(() => assistantAxis([a], [])).toThrow(RangeError);
});

test('components, their shares and the places of roles are those planted', () => {
  const { components, explained, places: found } = roleSpace(roles, 1, WIDTH);
  expect(components).toHaveLength(3);
  expect(explained.reduce((sum, x) => sum + x)).toBeCloseTo(1, 9);
  expect(explained[0]).toBeGreaterThan(0.8);
  expect(Math.abs(components[0]![0]!)).toBeGreaterThan(0.98);
  expect(Math.abs(components[1]![1]!)).toBeGreaterThan(0.9);
  for (const [i, a] of components.entries())
    for (const [j, b] of components.entries()) expect(dot(a, b)).toBeCloseTo(i === j ? 1 : 0, 5);
  // the variance along a component is its share of the whole
  const spread = [0, 1, 2].map((k) => found.reduce((sum, place) => sum + place[k]! ** 2, 0));
  const total = spread.reduce((sum, x) => sum + x);
  for (const [k, share] of explained.entries()) expect(spread[k]! / total).toBeCloseTo(share, 5);
  // a role is the mean of the roles and its places along the components
  const center = Array.from(
    { length: WIDTH },
    (_, i) => roles.reduce((sum, role) => sum + role[WIDTH + i]!, 0) / 40,
  );
  for (const [r, role] of roles.entries())
    for (let i = 0; i < WIDTH; i++)
      expect(center[i]! + components.reduce((sum, c, k) => sum + found[r]![k]! * c[i]!, 0)).toBeCloseTo(role[WIDTH + i]!, 3); // prettier-ignore
});

test('the first component is the axis where roles differ along it', () => {
  const assistant = Float32Array.from({ length: LAYERS * WIDTH }, (_, k) =>
    k < WIDTH ? 0 : k === WIDTH ? 30 : 5,
  );
  const axis = assistantAxis([assistant], roles);
  const space = roleSpace(roles, 1, WIDTH);
  expect(axisCosine(space, axis, 1)).toBeGreaterThan(0.95);
  expect(axisCosine(space, axis, 1)).toBeCloseTo(
    Math.abs(cosine(space.components[0]!, axis.subarray(WIDTH))),
    9,
  );
  expect(axisCosine(roleSpace(roles, 0, WIDTH), axis, 0)).toBeLessThan(0.9);
  expect(axisCosine(roleSpace([roles[0]!, roles[0]!], 1, WIDTH), axis, 1)).toBeNaN();
});

test('how many components it takes, and where a cap lies', () => {
  expect([0.5, 0.51, 0.8, 1].map((share) => componentsFor([0.5, 0.3, 0.2], share))).toEqual([1, 2, 2, 3]);
  expect(capFloors([[4, 1, 3, 2], Float32Array.of(8, 0)])).toEqual([1.75, 2]);
  expect(capFloors([[4, 1, 3, 2]], 0.5)).toEqual([2.5]);
});

test('caps stand in the upper part of the depth, and within it', () => {
  expect(capLayers(64)).toEqual({ from: 45, to: 54 });
  expect([1, 4, 30].map(capLayers)).toEqual([
    { from: 0, to: 0 },
    { from: 3, to: 3 },
    { from: 21, to: 26 },
  ]);
});
