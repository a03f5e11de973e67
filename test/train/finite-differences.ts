/**
 * Derivatives along directions from values alone, to hold gradients against.
 *
 * Losses are f32, so a difference of two is known to about 1e-6 and no better, and the step may not be small. Central
 * differences at h, 2h and 3h are combined so that what is left of the curve's bend is of sixth order in h (Richardson).
 * A step of a twentieth of the parameter's own length drowns rounding; where the curve bends too much for it, a smaller
 * one is tried. A wrong gradient fits neither.
 *
 * Two kinds of directions find two kinds of faults. `steep` ones have each coordinate in the gradient's own sign, by a
 * random amount: all parts add up, the derivative is as large as it gets and far above rounding, and whatever coordinate
 * is wrong shows in some of the draws. `random` ones know nothing of the gradient: they find what it lacks.
 */

import { noise } from '../tiny/noise.ts';

/** Error O(h⁶). */
export function derivative(f: (step: number) => number, h: number): number {
  const across = (n: number): number => f(n * h) - f(-n * h);
  return (45 * across(1) - 9 * across(2) + across(3)) / (60 * h);
}

type DirectionKind = 'steep' | 'random';

/** A direction of length 1. */
function direction(gradient: Float32Array, kind: DirectionKind, seed: number): Float32Array {
  const next = noise(seed);
  const values = gradient.map((g) => {
    const draw = next() / Math.sqrt(3); // −1 … 1
    return kind === 'steep' ? g * (1 + draw) : draw;
  });
  const length = Math.hypot(...values);
  return length === 0 ? direction(gradient, 'random', seed) : values.map((x) => x / length);
}

/** Steps, as shares of the parameter's length. */
const STEPS = [0.05, 0.02, 0.008];

/** Nearer than this no other step is tried. */
const NEAR = 2e-4;

/** Of a sum of f32 numbers that graphs some dozens of operators deep compute, relative to the sum of their sizes. */
const ROUNDING = 2e-7;

export interface Checked {
  /** the largest relative error, over both kinds of directions; what rounding explains is not counted */
  error: number;
  /** how far the steepest slope stands above what rounding can make of it */
  signal: number;
}

/**
 * @param length of the parameter's own numbers
 * @param size Σ |terms| of the value, which say how exact it is
 * @param f the value at a step along a direction
 */
export function checkGradient(
  gradient: Float32Array,
  { length, size }: { length: number; size: number },
  f: (direction: Float32Array, step: number) => number,
  seeds: readonly number[] = [1, 2],
): Checked {
  const checked: Checked = { error: 0, signal: 0 };
  for (const kind of ['steep', 'random'] as const)
    for (const seed of seeds) {
      const along = direction(gradient, kind, seed);
      const got = gradient.reduce((sum, g, i) => sum + g * along[i]!, 0);
      let best = Infinity;
      for (const share of STEPS) {
        const step = share * length;
        const expected = derivative((h) => f(along, h), step);
        const unsure = (ROUNDING * size) / step;
        const apart = Math.abs(got - expected);
        const error = apart <= unsure ? 0 : (apart - unsure) / Math.abs(expected);
        if (kind === 'steep') checked.signal = Math.max(checked.signal, Math.abs(expected) / unsure);
        if (error < best) best = error; // never so for NaN
        if (best < NEAR) break;
      }
      checked.error = Math.max(checked.error, best);
    }
  return checked;
}
