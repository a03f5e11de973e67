/** A persona vector with everything needed to trust and reuse it. Layer b = residual stream after block b, from 0. */

import type { MeanKind } from '../engine/request.ts';
import type { Calibration } from '../judge/calibrate.ts';
import type { ModelIdentity } from '../model/chat-model.ts';
import type { Side } from '../rollout/rollout.ts';
import type { Trait } from '../trait/trait.ts';
import type { Interval } from '../math/bootstrap.ts';
import type { AxisQuality, AxisRecipe } from './axis-figures.ts';
import type { Dose } from './dose.ts';
import type { Floor } from './evidence/floor.ts';
import type { HeldOut } from './evidence/held-out.ts';
import type { OtherChoice } from './evidence/other-layers.ts';
import type { RefusalChange } from './evidence/refusals.ts';
import type { Similar } from './evidence/similar.ts';
import type { Verdict } from './evidence/verdict.ts';
import type { FilterOptions } from './filter.ts';

/** Projections of the model's own neutral answers, per layer: what "usual" is. */
export interface Baseline {
  /** mean and standard deviation of the answer-mean projection, (layers) */
  mean: Float32Array;
  deviation: Float32Array;
  /** standard deviation of a single token's projection, (layers) */
  tokenDeviation: Float32Array;
  answers: number;
}

/** How a vector was made; what is absent was not part of the making. */
export interface Recipe {
  /** ISO time */
  created: string;
  /** whole, as it was then */
  trait?: Trait;
  questions?: number;
  samples?: number;
  maxTokens?: number;
  temperature?: number;
  seed?: number;
  /** who chose the rollouts, the layer and the coefficient; `pairs` of the likelihood judge */
  judge?: { name: string; pairs?: number };
  /** who scored besides */
  otherJudges?: string[];
  /** the judge's scale, for judging steered answers by the same */
  calibration?: Calibration;
  filter?: FilterOptions;
  /** the file of given answers */
  rollouts?: { path: string; sha256: string };
  /** the file of another tool that the directions come from */
  converted?: Converted;
  /** the vectors that it was reckoned from; with the algebra in words */
  combined?: Combined;
  /** of the assistant axis: the roles it was made of */
  axis?: AxisRecipe;
}

export interface Converted {
  from: string;
  /** the file's name, without its folder */
  file: string;
  sha256: string;
  /** blocks of which the file had no direction: their rows are zero */
  missing: number[];
  /** the block whose row was taken behind the model's final norm, not at the block: not to be steered with */
  afterFinalNorm?: number;
  /** upper bounds on ⟨h, v⟩/‖v‖ that the file sets, per layer */
  caps?: { layer: number; cap: number }[];
}

export interface Combined {
  /** sha256 of the directions (float32, row by row) */
  from: { trait: string; sha256: string; weight: number }[];
  operation: string;
  /** as of what it was reckoned from */
  afterFinalNorm?: number;
}

/** Figures to judge a vector by. */
export interface Quality {
  counts?: { asked: number; kept: Record<Side, number>; dropped: { reason: string; count: number }[] };
  /** ‖v‖ per layer */
  norms?: number[];
  /** per layer, AUC of the projection on questions the direction was not made of; null where it cannot be told */
  separation?: (number | null)[];
  /** at the chosen layer, and at the layers compared */
  doses?: Dose[];
  layerDoses?: Dose[];
  /** why this layer */
  why?: string;

  /** per layer, cosine of the directions of two halves of the questions */
  splitHalf?: Interval[];
  /** per layer, against labels dealt at random: see permutationNull */
  permutation?: { repeats: number; samples: number; p: number[]; cosineSd: number[] };
  /** on evaluation questions, per layer */
  heldOut?: HeldOut;
  /** at the chosen layer, r of projection and answer length within the sides */
  length?: Interval;
  /** what unrelated directions of equal length do at the chosen layer and coefficient */
  floor?: Floor;
  /** other vectors of this model, nearest first */
  similar?: Similar[];
  /** under the chosen coefficient */
  refusals?: RefusalChange[];
  capability?: { items: number; how: string; unsteered: Interval; steered: Interval };
  otherLayers?: OtherChoice[];
  verdict?: Verdict;
  /** of the assistant axis */
  axis?: AxisQuality;
  /** what the evidence took */
  seconds?: number;
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
  recipe: Recipe;
  quality: Quality;
  /** version of this package that wrote it */
  version: string;
}

/** The direction at layer b, a view of length d. */
export function direction(vector: PersonaVector, layer: number): Float32Array {
  const { width } = vector.model;
  return vector.directions.subarray(layer * width, (layer + 1) * width);
}

/** The block whose direction was taken behind the model's final norm, where there is one: it is none of the residual stream. */
export function afterFinalNorm({ recipe }: PersonaVector): number | undefined {
  return recipe.converted?.afterFinalNorm ?? recipe.combined?.afterFinalNorm;
}
