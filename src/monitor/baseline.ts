/** How far a projection is from the model's usual, in standard deviations of its neutral answers. */

import type { Baseline } from '../vector/vector.ts';

/** z of an answer's mean projection: against the spread of whole answers. null without a baseline or a spread. */
export function answerZ(mean: number | null, baseline: Baseline | undefined, layer: number): number | null {
  return z(mean, baseline, baseline?.deviation, layer);
}

/** z of one token's projection: against the spread of single tokens, which is wider. */
export function tokenZ(projection: number, baseline: Baseline | undefined, layer: number): number | null {
  return z(projection, baseline, baseline?.tokenDeviation, layer);
}

function z(
  value: number | null,
  baseline: Baseline | undefined,
  deviations: Float32Array | undefined,
  layer: number,
): number | null {
  const deviation = deviations?.[layer] ?? 0;
  if (value === null || baseline === undefined || !(deviation > 0)) return null;
  return (value - baseline.mean[layer]!) / deviation;
}
