/**
 * How well the direction at each layer tells positive rollouts from negative ones, on rollouts it was not made of:
 * the direction of the even questions is tried on the odd ones, and the other way round.
 */

import { auc } from '../math/auc.ts';
import { project } from '../math/vector.ts';
import type { Side } from '../rollout/rollout.ts';
import { addRollout, finishDifference, startDifference } from './difference.ts';

export interface SideMean {
  side: Side;
  questionIndex: number;
  block: number;
  mean: Float32Array; // (layers × d)
}

/** AUC per layer, (layers), mean of the two halves; NaN where a half lacks a side. */
export function separation(rollouts: readonly SideMean[], layers: number, d: number): Float32Array {
  const halves = [0, 1].map((parity) => rollouts.filter((r) => r.questionIndex % 2 === parity));
  const directions = halves.map((half) => {
    const difference = startDifference('response_avg', layers * d);
    for (const { side, mean } of half) addRollout(difference, side, mean);
    return difference.counts.pos > 0 && difference.counts.neg > 0 ? finishDifference(difference) : undefined;
  });
  return Float32Array.from({ length: layers }, (_, b) => {
    const row = (values: Float32Array): Float32Array => values.subarray(b * d, (b + 1) * d);
    const figures: number[] = [];
    for (const h of [0, 1]) {
      const learned = directions[1 - h];
      if (!learned) continue;
      const projections = (side: Side): number[] =>
        halves[h]!.filter((r) => r.side === side).map((r) => project(row(r.mean), row(learned)));
      const [pos, neg] = [projections('pos'), projections('neg')];
      if (pos.length > 0 && neg.length > 0) figures.push(auc(pos, neg));
    }
    return figures.length === 0 ? NaN : figures.reduce((sum, x) => sum + x, 0) / figures.length;
  });
}
