/** The judge `gguf:MODEL`: a model on this machine, asked for a number; its score is the expectation over all of them. */

import { isPersonaError } from '../errors.ts';
import { type ChatModel, openChatModel, type OpenChatModelOptions } from '../model/chat-model.ts';
import { askedJudge } from './asked.ts';
import type { JudgeCache } from './cache.ts';
import { digitTree, type TokenChance } from './digit-tree.ts';
import type { OpenedJudge } from './judge.ts';

/** Next tokens looked at: all numbers 0 … 100 as one token each, and as many other words. */
const ALTERNATIVES = 256;
/** Stands where the next token is asked for; which one it is does not matter. */
const ANY_TOKEN = 0;
/** Tokens of a rubric, a question and a long answer. */
const CONTEXT = 4096;
/** Half of the engine's usual number, at twice its context: the cache takes the same memory. */
const PARALLEL = 4;
/** Where a model would think first, this tells it that it has. */
const NO_THOUGHTS = '<think>\n\n</think>\n\n';

export async function openGgufJudge(
  model: string | undefined,
  cache: JudgeCache,
  options: Omit<OpenChatModelOptions, 'model'> = {},
): Promise<OpenedJudge> {
  const { context = CONTEXT, parallel = PARALLEL } = options;
  const opened = await openChatModel({ ...options, context, parallel, model });
  return ggufJudge(opened, cache, async () => opened[Symbol.asyncDispose]());
}

/** @param close what ends with the judge */
export function ggufJudge(model: ChatModel, cache: JudgeCache, close?: () => Promise<void>): OpenedJudge {
  const { engine, identity } = model;
  const used = { requests: 0, promptTokens: 0, completionTokens: 0 };

  async function numbers(prompt: string, signal: AbortSignal | undefined): Promise<Map<string, number>> {
    const next = async (prefix: readonly number[]): Promise<TokenChance[]> => {
      const answer = [...prefix, ANY_TOKEN];
      const read = await engine.run({ prompt, answer, topLogprobs: ALTERNATIVES }, { signal });
      used.promptTokens += read.promptTokens - read.cachedTokens;
      used.completionTokens++;
      return read.logprobs!.at(-1)!.top.map(({ token, text, logprob }) => ({
        token,
        text,
        probability: Math.exp(logprob),
      }));
    };
    return digitTree(next);
  }

  return askedJudge({
    name: `gguf:${identity.name}`,
    identity: `gguf:${identity.sha256}:${identity.templateSha256}`,
    cache,
    used: () => used,
    ...(close && { close }),
    async ask(question, signal) {
      used.requests++;
      const prompt = model.render([{ role: 'user', content: question }]);
      let masses = await numbers(prompt, signal).catch((error: unknown) => {
        if (!isPersonaError(error) || error.code !== 'ENGINE_CRASHED') throw error;
        return numbers(prompt, signal); // which starts it again
      });
      if (likeliest(masses)?.trim() === '<think>') masses = await numbers(prompt + NO_THOUGHTS, signal);
      return { tokens: [...masses].filter(([, mass]) => mass > WORTH_KEEPING) };
    },
  });
}

/** Less than this changes no score by a hundredth. */
const WORTH_KEEPING = 1e-6;

function likeliest(masses: ReadonlyMap<string, number>): string | undefined {
  return [...masses].reduce<[string, number] | undefined>(
    (best, each) => (best && best[1] >= each[1] ? best : each),
    undefined,
  )?.[0];
}
