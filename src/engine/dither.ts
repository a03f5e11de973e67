/**
 * Small changes of packed weights. A weight in a file lies on the grid of its type, so a change of less than half a
 * step, added and packed again, is rounded away: all of it, in most weights, as what fine-tuning changes is small.
 * Here such a change is taken as a chance instead: of a tenth of a step, one weight in ten moves by a whole step
 * (stochastic rounding). Each output sums over hundreds of weights, and so gets what was meant, with a little noise
 * that is below the type's own.
 */

import { random } from '../math/random.ts';
import { TYPE } from './training/backend.ts';

/** Neighbours in a row that share one step, by ggml's number of the type; of others 32. */
const SHARED: Readonly<Record<number, number>> = { 10: 16, 11: 16, 14: 16 }; // Q2_K, Q3_K, Q6_K
const USUAL_SHARED = 32;

/** Bits of the fraction and the smallest step, of types that are floats. */
const FLOATS: Readonly<Record<number, { fraction: number; least: number }>> = {
  1: { fraction: 10, least: 2 ** -24 }, // F16
  30: { fraction: 7, least: 2 ** -133 }, // BF16
};

/**
 * Puts `sums` on the grid that the weights lie on, where that is finer than what was added: up or down by chance, so
 * that the mean is the sum. Sums that are a step or more away stay, and are rounded by who packs them.
 *
 * @param type ggml's number
 * @param weights unpacked, in rows
 * @param sums weights + change, as many; changed in place
 * @param seed decides every draw
 */
export function dither(type: number, weights: Float32Array, sums: Float32Array, seed: number): void {
  if (type === TYPE.f32) return;
  const chance = random(seed);
  const float = FLOATS[type];
  const shared = float ? 1 : (SHARED[type] ?? USUAL_SHARED);
  const group = new Float32Array(shared);
  for (let from = 0; from < sums.length; from += shared) {
    group.set(weights.subarray(from, from + shared));
    const step = float ? floatStep(weights[from]!, float) : smallestGap(group);
    if (step === undefined) continue; // all alike: nothing tells the step
    for (let i = from; i < from + shared; i++) {
      const steps = (sums[i]! - weights[i]!) / step;
      if (Math.abs(steps) < 1) sums[i] = weights[i]! + step * Math.floor(steps + chance.bits() / 2 ** 32);
    }
  }
}

function floatStep(weight: number, { fraction, least }: { fraction: number; least: number }): number {
  const exponent = Math.floor(Math.log2(Math.abs(weight))); // −∞ of 0
  return Math.max(2 ** (exponent - fraction), least);
}

/** The step of values on an even grid, or a few of them where no two are neighbours. Sorts the values. */
function smallestGap(values: Float32Array): number | undefined {
  values.sort();
  let least = Infinity;
  for (let i = 1; i < values.length; i++) {
    const gap = values[i]! - values[i - 1]!;
    if (gap > 0 && gap < least) least = gap;
  }
  return least === Infinity ? undefined : least;
}
