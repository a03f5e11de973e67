/**
 * The neutral baseline: where the projections of a model's usual answers lie, per layer. Projections are not centred
 * at zero and differ between models by orders of magnitude (paper §6.5), so "high" only means something against it.
 */

import { inFlight } from '../engine/in-flight.ts';
import { deviation, mean } from '../math/statistics.ts';
import type { ChatModel } from '../model/chat-model.ts';
import { inFlightLimit } from '../rollout/ask.ts';
import type { Baseline } from './vector.ts';

/**
 * Reads the answers once more, projecting every token onto the direction of every layer.
 * @returns undefined where all answers are empty: nothing is usual then
 */
export async function measureBaseline(
  model: ChatModel,
  directions: Float32Array, // (layers × d)
  answers: readonly { prompt: string; answer: string }[],
  signal?: AbortSignal,
): Promise<Baseline | undefined> {
  const usable = answers.filter(({ answer }) => answer !== '');
  const read: number[][][] = [];
  for await (const { projections } of projectAnswers(model, directions, usable, signal))
    read.push(projections);
  return baselineOf(read);
}

/** @param answers per answer and layer, the projections of its tokens */
export function baselineOf(answers: readonly number[][][]): Baseline | undefined {
  const [first] = answers;
  if (!first) return undefined;
  const means = first.map((_, layer) => answers.map((answer) => mean(answer[layer]!)));
  const tokens = first.map((_, layer) => answers.flatMap((answer) => answer[layer]!));
  return {
    mean: Float32Array.from(means, mean),
    deviation: Float32Array.from(means, spread),
    tokenDeviation: Float32Array.from(tokens, spread),
    answers: answers.length,
  };
}

export interface ProjectedAnswer<T> {
  item: T;
  /** per layer, of every token of the answer */
  projections: number[][];
}

/** Reads answers, none of them empty, and projects every token onto the direction of every layer. */
export async function* projectAnswers<T extends { prompt: string; answer: string }>(
  model: ChatModel,
  directions: Float32Array, // (layers × d)
  answers: readonly T[],
  signal?: AbortSignal,
): AsyncGenerator<ProjectedAnswer<T>> {
  const { layers, width } = model.identity;
  const projections = Array.from({ length: layers }, (_, layer) => ({
    name: String(layer),
    layer,
    direction: directions.subarray(layer * width, (layer + 1) * width),
  }));
  const read = async (item: T, stop: AbortSignal): Promise<ProjectedAnswer<T>> => {
    const { prompt, answer } = item;
    const result = await model.engine.run({ prompt, answer, projections }, { signal: stop });
    return { item, projections: result.projections!.map((p) => p.tokens) };
  };
  yield* inFlight(answers, inFlightLimit(model), read, signal);
}

/** 0, which is no spread, for a single value. */
function spread(values: readonly number[]): number {
  return values.length > 1 ? deviation(values) : 0;
}
