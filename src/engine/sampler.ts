/** llama.cpp's native sampler chain for one request, and log-probabilities from raw logits. */

import type { Native, Pointer } from './ffi.ts';
import type { Sampling } from './request.ts';

const DEFAULT_PENALTY_LAST = 64;
/** llama.cpp takes seeds below this; the number itself would mean "some other seed each time". */
const SEEDS = 0xffff_ffff;

/** penalties → top-k → top-p → min-p → temperature → draw; or the likeliest token at temperature 0. Free it. */
export function createSampler(native: Native, vocabulary: number, sampling: Sampling): Pointer {
  const chain: Pointer = native.llama_sampler_chain_init(native.llama_sampler_chain_default_params());
  const add = (sampler: Pointer): void => native.llama_sampler_chain_add(chain, sampler);
  const {
    temperature = 1,
    topK = 0,
    topP = 1,
    minP = 0,
    repeatPenalty = 1,
    frequencyPenalty = 0,
    presencePenalty = 0,
  } = sampling;
  if (repeatPenalty !== 1 || frequencyPenalty !== 0 || presencePenalty !== 0) {
    const last = sampling.penaltyLast ?? DEFAULT_PENALTY_LAST;
    add(
      native.llama_sampler_init_penalties(vocabulary, last, repeatPenalty, frequencyPenalty, presencePenalty),
    );
  }
  if (temperature === 0) {
    add(native.llama_sampler_init_greedy());
    return chain;
  }
  if (topK > 0) add(native.llama_sampler_init_top_k(topK));
  if (topP < 1) add(native.llama_sampler_init_top_p(topP, 1));
  if (minP > 0) add(native.llama_sampler_init_min_p(minP, 1));
  if (temperature !== 1) add(native.llama_sampler_init_temp(temperature));
  const seed = (sampling.seed ?? 0) % SEEDS;
  add(native.llama_sampler_init_dist(seed < 0 ? seed + SEEDS : seed));
  return chain;
}

/** log Σ exp(logits) */
export function logSumExp(logits: Float32Array): number {
  let max = -Infinity;
  for (let i = 0; i < logits.length; i++) if (logits[i]! > max) max = logits[i]!;
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += Math.exp(logits[i]! - max);
  return max + Math.log(sum);
}

/** The n largest, largest first: [index, value]. One pass with a short sorted list. */
export function largest(values: Float32Array, n: number): [number, number][] {
  const top: [number, number][] = [];
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (top.length === n && (n === 0 || value <= top[n - 1]![1])) continue;
    let at = top.length;
    while (at > 0 && top[at - 1]![1] < value) at--;
    top.splice(at, 0, [i, value]);
    if (top.length > n) top.pop();
  }
  return top;
}
