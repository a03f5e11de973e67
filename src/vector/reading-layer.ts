/**
 * The layer at which a vector is best read: where answers that show the trait lie apart from others. Where a push changes
 * answers most, which its own layer is chosen by, may be a much earlier one.
 */

import { afterFinalNorm, type PersonaVector } from './vector.ts';

/** AUCs closer than this are not told apart by the hundred answers that they come from. */
const AS_GOOD = 0.02;

export interface ReadingLayer {
  layer: number;
  /** AUC there on questions that the direction was not made of; absent: the vector does not know, its own layer is taken */
  auc?: number;
  /** and at the vector's own layer, where that is another one */
  ownAuc?: number;
}

/** The vector's own layer where that is as good as the best, else the earliest that is: it costs least. */
export function readingLayer(vector: PersonaVector): ReadingLayer | undefined {
  const { layer: own, quality } = vector;
  const last = afterFinalNorm(vector);
  const known = (quality.separation ?? []).map((auc, layer) => (layer === last ? null : auc));
  const best = Math.max(...known.map((auc) => auc ?? -Infinity));
  const isGood = (auc: number | null | undefined): auc is number =>
    auc !== null && auc !== undefined && auc >= best - AS_GOOD;
  const ownAuc = own === undefined ? undefined : known[own];
  if (own !== undefined && isGood(ownAuc)) return { layer: own, auc: ownAuc };
  const layer = known.findIndex(isGood);
  if (layer < 0) return own === undefined ? undefined : { layer: own };
  return { layer, auc: known[layer]!, ...(typeof ownAuc === 'number' && { ownAuc }) };
}
