/**
 * Draws the tokens of one answer from their logits, in the order of llama.cpp's chain: penalties → top-k → top-p →
 * min-p → temperature → draw. In JavaScript, since the native chain takes 6 to 10 % of a step on a vocabulary of 50 000.
 */

import { drawFromAll, indexOfLargest, largest, sumOfExps, type Ranked } from './logits.ts';
import type { Sampling } from './request.ts';

const DEFAULT_PENALTY_LAST = 64;
/** The likeliest tokens looked at first for top-p; more when they do not add up to p. */
const NUCLEUS = 64;

export class Sampler {
  readonly #sampling: Required<Omit<Sampling, 'seed'>>;
  readonly #uniform: () => number;
  /** the last tokens drawn, for the penalties */
  #recent: number[] = [];

  constructor(sampling: Sampling) {
    this.#sampling = {
      temperature: sampling.temperature ?? 1,
      topK: sampling.topK ?? 0,
      topP: sampling.topP ?? 1,
      minP: sampling.minP ?? 0,
      repeatPenalty: sampling.repeatPenalty ?? 1,
      frequencyPenalty: sampling.frequencyPenalty ?? 0,
      presencePenalty: sampling.presencePenalty ?? 0,
      penaltyLast: sampling.penaltyLast ?? DEFAULT_PENALTY_LAST,
    };
    this.#uniform = randomNumbers(sampling.seed ?? 0);
  }

  draw(logits: Float32Array): number {
    const { temperature, topK, topP, minP, penaltyLast } = this.#sampling;
    const values = this.#penalised(logits);
    let token: number;
    if (temperature === 0) token = indexOfLargest(values);
    else if (topK === 0 && topP === 1 && minP === 0)
      token = drawFromAll(values, temperature, this.#uniform());
    else token = drawFrom(candidates(values, topK, topP, minP), temperature, this.#uniform());
    this.#recent.push(token);
    if (this.#recent.length > penaltyLast) this.#recent.shift();
    return token;
  }

  /** The logits with those of recent tokens lowered; the original stays as it is. */
  #penalised(logits: Float32Array): Float32Array {
    const { repeatPenalty, frequencyPenalty, presencePenalty } = this.#sampling;
    const off = repeatPenalty === 1 && frequencyPenalty === 0 && presencePenalty === 0;
    if (off || this.#recent.length === 0) return logits;
    const values = logits.slice();
    for (const token of new Set(this.#recent))
      values[token] = values[token]! > 0 ? values[token]! / repeatPenalty : values[token]! * repeatPenalty;
    for (const token of this.#recent) values[token]! -= frequencyPenalty;
    for (const token of new Set(this.#recent)) values[token]! -= presencePenalty;
    return values;
  }
}

/** What top-k, top-p and min-p leave, likeliest first. */
export function candidates(logits: Float32Array, topK: number, topP: number, minP: number): Ranked[] {
  let kept: Ranked[];
  if (topK > 0) {
    kept = largest(logits, topK);
    if (topP < 1) kept = nucleus(kept, topP * weightOf(kept)) ?? kept;
  } else {
    // without top-k, p is of the whole distribution
    const enough = topP < 1 ? topP * sumOfExps(logits, logits[indexOfLargest(logits)]!) : Infinity;
    const floor = Math.log(minP);
    let found: Ranked[] | undefined;
    for (let n = NUCLEUS; ; n *= 4) {
      kept = largest(logits, n);
      found = nucleus(kept, enough);
      // all that min-p leaves is there, too, once something below it is
      if (found || kept.length < n || kept.at(-1)!.logit < kept[0]!.logit + floor) break;
    }
    kept = found ?? kept;
  }
  const least = kept[0]!.logit + Math.log(minP);
  return kept.filter(({ logit }) => logit >= least);
}

/** The shortest beginning that weighs enough, at least one; undefined where all of them do not. */
function nucleus(ranked: readonly Ranked[], enough: number): Ranked[] | undefined {
  let sum = 0;
  for (const [i, { logit }] of ranked.entries()) {
    sum += Math.exp(logit - ranked[0]!.logit);
    if (sum >= enough) return ranked.slice(0, i + 1);
  }
  return undefined;
}

function weightOf(ranked: readonly Ranked[]): number {
  return ranked.reduce((sum, { logit }) => sum + Math.exp(logit - ranked[0]!.logit), 0);
}

function drawFrom(ranked: readonly Ranked[], temperature: number, uniform: number): number {
  const weights = ranked.map(({ logit }) => Math.exp((logit - ranked[0]!.logit) / temperature));
  let left = uniform * weights.reduce((sum, weight) => sum + weight);
  let at = 0;
  while (at < weights.length - 1 && left >= weights[at]!) left -= weights[at++]!;
  return ranked[at]!.token;
}

/** Uniform in [0, 1), the same for the same seed; any whole number is one. (sfc32) */
function randomNumbers(seed: number): () => number {
  let a = seed | 0;
  let b = Math.floor(seed / 2 ** 32) | 0;
  let c = 0x9e37_79b9;
  let counter = 1;
  const next = (): number => {
    const t = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + t) | 0;
    return t >>> 0;
  };
  for (let i = 0; i < 16; i++) next(); // until near seeds are far apart
  return () => (next() * 2 ** 21 + (next() >>> 11)) / 2 ** 53;
}
