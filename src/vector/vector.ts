/** A persona vector with everything needed to trust and reuse it. Layer b = residual stream after block b, from 0. */

import type { MeanKind } from '../engine/request.ts';
import type { ModelIdentity } from '../model/chat-model.ts';

/** Projections of the model's own neutral answers, per layer: what "usual" is. */
export interface Baseline {
  /** mean and standard deviation of the answer-mean projection, (layers) */
  mean: Float32Array;
  deviation: Float32Array;
  /** standard deviation of a single token's projection, (layers) */
  tokenDeviation: Float32Array;
  answers: number;
}

export interface PersonaVector {
  trait: string;
  kind: MeanKind;
  model: ModelIdentity;
  /** row b = mean of answers that show the trait − mean of those that do not, not normalised; (layers × d) */
  directions: Float32Array;
  /** mean norm of the residual stream over answer tokens, (layers) */
  residualNorms?: Float32Array;
  baseline?: Baseline;
  /** chosen by the sweep; absent until one ran */
  layer?: number;
  coefficient?: number;
  /** how it was made, for people and for reuse: counts, judge, sampling, thresholds … (plain JSON) */
  recipe: Record<string, unknown>;
  /** figures to judge it by (plain JSON) */
  quality: Record<string, unknown>;
  /** version of this package that wrote it */
  version: string;
}

/** The direction at layer b, a view of length d. */
export function direction(vector: PersonaVector, layer: number): Float32Array {
  const { width } = vector.model;
  return vector.directions.subarray(layer * width, (layer + 1) * width);
}
