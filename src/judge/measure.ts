/**
 * What the likelihood judge measures of an answer, with the model itself and nothing else: how much likelier it is
 * under instructions to show the trait than under instructions not to, and how likely it is under no instruction.
 */

import type { ChatModel } from '../model/chat-model.ts';
import type { ChatMessage } from '../model/template.ts';
import { systemPrompt } from '../trait/instruction.ts';
import type { Trait } from '../trait/trait.ts';
import type { JudgeItem } from './judge.ts';

export interface Measurement {
  /** [log P(answer | positive instruction) − log P(answer | negative instruction)] / tokens, mean over the pairs used */
  contrast: number;
  /** −log P(answer | no instruction) / tokens */
  surprise: number;
}

export interface MeasureOptions {
  /** instruction pairs used for one answer, each two readings of it */
  pairs: number;
}

/** undefined for an answer without tokens. */
export async function measure(
  model: ChatModel,
  trait: Trait,
  item: JudgeItem,
  options: MeasureOptions,
  signal?: AbortSignal,
): Promise<Measurement | undefined> {
  const logLikelihood = async (system: string | undefined): Promise<number | undefined> => {
    const messages: ChatMessage[] = system === undefined ? [] : [{ role: 'system', content: system }];
    const prompt = model.render([...messages, { role: 'user', content: item.question }]);
    return meanLogprob(model, prompt, item.answer, signal);
  };
  const pairs = otherPairs(trait.instruction.length, item.instructionIndex, options.pairs);
  const [usual, ...contrasts] = await Promise.all([
    logLikelihood(undefined),
    ...pairs.map(async (k) => {
      const [pos, neg] = await Promise.all([
        logLikelihood(systemPrompt(trait, 'pos', k)),
        logLikelihood(systemPrompt(trait, 'neg', k)),
      ]);
      return pos! - neg!;
    }),
  ]);
  if (usual === undefined) return undefined;
  return { contrast: contrasts.reduce((sum, x) => sum + x, 0) / contrasts.length, surprise: -usual };
}

/** −log P per token of a text under no instruction: what `surprise` is of a text that nobody scored. */
export async function surpriseOf(
  model: ChatModel,
  question: string,
  answer: string,
  signal?: AbortSignal,
): Promise<number | undefined> {
  const value = await meanLogprob(model, model.render([{ role: 'user', content: question }]), answer, signal);
  return value === undefined ? undefined : -value;
}

/** log P of a text per token after a rendered prompt; undefined for one without tokens. */
export async function meanLogprob(
  model: ChatModel,
  prompt: string,
  answer: string,
  signal?: AbortSignal,
): Promise<number | undefined> {
  const { logprobs } = await model.engine.run({ prompt, answer, topLogprobs: 0 }, signal ? { signal } : {});
  if (!logprobs || logprobs.length === 0) return undefined;
  return logprobs.reduce((sum, entry) => sum + entry.logprob, 0) / logprobs.length;
}

/** `count` of the pairs, beginning after the one to be left out. otherPairs(5, 3, 2) = [4, 0] */
export function otherPairs(total: number, leftOut: number | undefined, count: number): number[] {
  const first = leftOut === undefined || leftOut < 0 ? 0 : leftOut + 1;
  const others = leftOut === undefined || leftOut < 0 ? total : total - 1;
  return Array.from({ length: Math.min(count, Math.max(1, others)) }, (_, i) => (first + i) % total);
}
