/**
 * Draws the tokens of one answer from their logits, in the order of llama.cpp's chain: penalties → top-k → top-p →
 * min-p → temperature → draw. In JavaScript, since the native chain takes 6 to 10 % of a step on a vocabulary of 50 000.
 */

import { draw, indexOfLargest, largest, nucleusFloor } from './logits.ts';
import type { Sampling } from './request.ts';

const DEFAULT_PENALTY_LAST = 64;

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
    const token =
      temperature === 0
        ? indexOfLargest(values)
        : draw(values, smallestKept(values, topK, topP, minP), temperature, this.#uniform());
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

/** The smallest logit that top-k, top-p and min-p leave; of equal ones all. */
export function smallestKept(logits: Float32Array, topK: number, topP: number, minP: number): number {
  let floor = -Infinity;
  if (topK > 0) {
    const kept = Float32Array.from(largest(logits, topK), ({ logit }) => logit);
    floor = topP < 1 ? nucleusFloor(kept, topP) : kept.at(-1)!;
  } else if (topP < 1) {
    floor = nucleusFloor(logits, topP);
  }
  if (minP === 0) return floor;
  return Math.max(floor, logits[indexOfLargest(logits)]! + Math.log(minP));
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
