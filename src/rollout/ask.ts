/** Has the model answer planned rollouts, reading the activations while it writes; or reads answers that are given. */

import { createHash } from 'node:crypto';
import { inFlight } from '../engine/in-flight.ts';
import type { EngineResult, MeanKind } from '../engine/request.ts';
import type { ChatModel } from '../model/chat-model.ts';
import type { ChatMessage } from '../model/template.ts';
import type { PlannedRollout } from './plan.ts';
import type { AskedRollout, RolloutMeans } from './rollout.ts';

export const MEAN_KINDS: readonly MeanKind[] = ['response_avg', 'prompt_avg', 'prompt_last'];

export interface AskOptions {
  maxTokens: number;
  temperature: number;
  /** @default 1 */
  topP?: number;
  seed: number;
  /** goes on where the model would end its answer: all answers are as long as allowed. @default false */
  ignoreEnd?: boolean;
  signal?: AbortSignal | undefined;
}

/** The reference's rule: one answer a prompt is the likeliest one, several are drawn (paper §2.3). */
export function usualTemperature(samples: number): number {
  return samples === 1 ? 0 : 1;
}

/** Rollouts come as they are finished, in no certain order. */
export async function* askRollouts(
  model: ChatModel,
  plan: readonly PlannedRollout[],
  options: AskOptions,
): AsyncGenerator<AskedRollout> {
  const ask = (planned: PlannedRollout, signal: AbortSignal): Promise<AskedRollout> =>
    answerOf(model, planned, options, signal);
  yield* inFlight(plan, inFlightLimit(model), ask, options.signal);
}

/** What is planned, with the model's answer. */
export type Answered<P extends { id: string; messages: ChatMessage[] }> = RolloutMeans & {
  rollout: Omit<P, 'messages'> & { prompt: string; answer: string; tokens: number; finishReason: string };
};

export async function answerOf<P extends { id: string; messages: ChatMessage[] }>(
  model: ChatModel,
  planned: P,
  { maxTokens, temperature, topP = 1, seed, ignoreEnd = false }: AskOptions,
  signal: AbortSignal,
): Promise<Answered<P>> {
  const { messages, ...rest } = planned;
  const prompt = model.render(messages);
  const result = await model.engine.run(
    {
      prompt,
      maxTokens,
      ignoreEnd,
      sampling: { temperature, topP, seed: seed + ownSeed(planned.id) },
      means: { layers: 'all', kinds: MEAN_KINDS },
    },
    { signal },
  );
  const { text, tokens, finishReason } = result;
  return {
    rollout: { ...rest, prompt, answer: text, tokens: tokens.length, finishReason },
    ...meansOf(result),
  };
}

/** The activations of a text that is already there. */
export async function readMeans(
  model: ChatModel,
  text: { prompt: string; answer: string },
  signal?: AbortSignal,
): Promise<RolloutMeans> {
  const result = await model.engine.run(
    { prompt: text.prompt, answer: text.answer, means: { layers: 'all', kinds: MEAN_KINDS } },
    signal ? { signal } : {},
  );
  return meansOf(result);
}

/** Of a rollout's id, not of its place in the list: a run that goes on draws what it would have drawn at once. */
function ownSeed(id: string): number {
  return createHash('sha256').update(id).digest().readUInt32LE();
}

/** Requests under way: enough that a slot never waits for its next one. */
export function inFlightLimit(model: ChatModel): number {
  return 2 * model.engine.info.parallel;
}

function meansOf(result: EngineResult): RolloutMeans {
  return { means: result.means ?? {}, residualNorms: result.residualNorms };
}
