/** Mean difference: mean over the answers that show the trait minus mean over those that do not (paper §4.3). */

import type { MeanKind } from '../engine/request.ts';
import { addScaled } from '../math/vector.ts';
import type { Side } from '../rollout/rollout.ts';

/** Running sums of one kind: each rollout counts once, however long it is. */
export interface MeanDifference {
  kind: MeanKind;
  sums: Record<Side, Float64Array>; // (layers × d)
  counts: Record<Side, number>;
}

export function startDifference(kind: MeanKind, size: number): MeanDifference {
  return {
    kind,
    sums: { pos: new Float64Array(size), neg: new Float64Array(size) },
    counts: { pos: 0, neg: 0 },
  };
}

/** @param mean one rollout's mean, (layers × d) */
export function addRollout(difference: MeanDifference, side: Side, mean: Float32Array): void {
  addScaled(difference.sums[side], mean);
  difference.counts[side]++;
}

/** mean(pos) − mean(neg), (layers × d), not normalised */
export function finishDifference({ sums, counts }: MeanDifference): Float32Array {
  const out = new Float32Array(sums.pos.length);
  for (let i = 0; i < out.length; i++) out[i] = sums.pos[i]! / counts.pos - sums.neg[i]! / counts.neg;
  return out;
}
