/**
 * Picks the tokens of one answer: llama.cpp's native sampler chain, grammar → penalties → top-k → top-p → min-p →
 * temperature → draw. Where all that is wanted is the likeliest token, or a draw from the whole distribution (as in
 * rollouts), a look over the logits does it in half the time or less: the native chain copies the vocabulary first.
 */

import { PersonaError } from '../errors.ts';
import { random } from '../math/random.ts';
import type { Native, Pointer } from './ffi.ts';
import { drawToken, indexOfLargest } from './logits.ts';
import type { NativeModel } from './native-model.ts';
import type { Sampling } from './request.ts';

const DEFAULT_PENALTY_LAST = 64;
/** llama.cpp takes seeds below this; the number itself would mean "some other seed each time". */
const SEEDS = 0xffff_ffff;

export interface Sampler extends Disposable {
  /** The next token from the logits of this row of the last graph; it counts for the penalties from then on. */
  pick(row: number): number;
}

/** @throws PersonaError USAGE for a grammar that llama.cpp does not take */
export function createSampler(model: NativeModel, sampling: Sampling, grammar?: string): Sampler {
  const { native, context } = model;
  const { temperature = 1, topK = 0, topP = 1, minP = 0 } = sampling;
  const { repeatPenalty = 1, frequencyPenalty = 0, presencePenalty = 0 } = sampling;
  const penalised = repeatPenalty !== 1 || frequencyPenalty !== 0 || presencePenalty !== 0;
  if (!penalised && grammar === undefined) {
    if (temperature === 0) return byLogits(model, indexOfLargest);
    if (topK === 0 && topP >= 1 && minP === 0) {
      const source = random(sampling.seed ?? 0);
      return byLogits(model, (logits) => drawToken(logits, temperature, source.uniform()));
    }
  }
  const chain: Pointer = native.llama_sampler_chain_init(native.llama_sampler_chain_default_params());
  if (grammar !== undefined) native.llama_sampler_chain_add(chain, grammarLink(model, grammar, chain));
  for (const sampler of links(native, model.info.vocabulary, sampling, penalised)) {
    native.llama_sampler_chain_add(chain, sampler);
  }
  return {
    pick: (row) => native.llama_sampler_sample(chain, context, row) as number,
    [Symbol.dispose]: () => native.llama_sampler_free(chain), // and all its links
  };
}

function byLogits(model: NativeModel, choose: (logits: Float32Array) => number): Sampler {
  return { pick: (row) => choose(model.logits(row)), [Symbol.dispose]() {} };
}

function grammarLink({ native, vocab }: NativeModel, grammar: string, chain: Pointer): Pointer {
  const link: Pointer = native.llama_sampler_init_grammar(vocab, grammar, 'root');
  if (link) return link;
  native.llama_sampler_free(chain);
  throw new PersonaError('USAGE', 'grammar: llama.cpp cannot read it', {
    remedy: 'write it as GBNF, with a rule called root and none that begins with itself',
  });
}

function links(native: Native, vocabulary: number, sampling: Sampling, penalised: boolean): Pointer[] {
  const { temperature = 1, topK = 0, topP = 1, minP = 0 } = sampling;
  const { repeatPenalty = 1, frequencyPenalty = 0, presencePenalty = 0 } = sampling;
  const last = sampling.penaltyLast ?? DEFAULT_PENALTY_LAST;
  const chain: Pointer[] = [];
  if (penalised) {
    chain.push(
      native.llama_sampler_init_penalties(vocabulary, last, repeatPenalty, frequencyPenalty, presencePenalty),
    );
  }
  if (temperature === 0) return [...chain, native.llama_sampler_init_greedy()];
  if (topK > 0) chain.push(native.llama_sampler_init_top_k(topK));
  if (topP < 1) chain.push(native.llama_sampler_init_top_p(topP, 1));
  if (minP > 0) chain.push(native.llama_sampler_init_min_p(minP, 1));
  if (temperature !== 1) chain.push(native.llama_sampler_init_temp(temperature));
  const seed = (sampling.seed ?? 0) % SEEDS;
  return [...chain, native.llama_sampler_init_dist(seed < 0 ? seed + SEEDS : seed)];
}
