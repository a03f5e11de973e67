/**
 * The neutral reference of a prediction: where the projection of the last prompt token lies for ordinary prompts, under
 * no instruction. The baseline in a vector's file is of whole answers, which lie elsewhere.
 */

import { inFlight } from '../engine/in-flight.ts';
import { deviation, mean } from '../math/statistics.ts';
import type { ChatModel } from '../model/chat-model.ts';
import { inFlightLimit } from '../rollout/ask.ts';
import { watchReads, type Watch } from './watch.ts';

export interface Neutral {
  mean: number;
  deviation: number;
  /** ascending */
  values: number[];
}

export interface Place {
  /** standard deviations from the mean; null without a spread */
  z: number | null;
  /** share of the neutral values below, in %; a tie counts half */
  percentile: number;
}

/** One reference per watch, in their order: the prompts are read, nothing is answered. */
export async function measureNeutral(
  model: ChatModel,
  watches: readonly Watch[],
  questions: readonly string[],
  signal?: AbortSignal,
): Promise<Neutral[]> {
  const projections = watchReads(watches);
  const read = async (question: string, stop: AbortSignal): Promise<number[]> => {
    const prompt = model.render([{ role: 'user', content: question }]);
    const result = await model.engine.run({ prompt, projections }, { signal: stop });
    return result.projections!.map((projection) => projection.prompt);
  };
  const perWatch: number[][] = watches.map(() => []);
  for await (const values of inFlight(questions, inFlightLimit(model), read, signal))
    for (const [i, value] of values.entries()) perWatch[i]!.push(value);
  return perWatch.map(neutralOf);
}

export function neutralOf(values: readonly number[]): Neutral {
  return { mean: mean(values), deviation: deviation(values), values: values.toSorted((a, b) => a - b) };
}

/** placeIn(neutralOf([1, 2, 3]), 3) = { z: 1, percentile: 83.3… }: two below, and half of the one that is equal */
export function placeIn(neutral: Neutral, projection: number): Place {
  const { values } = neutral;
  const below = values.filter((value) => value < projection).length;
  const equal = values.filter((value) => value === projection).length;
  return {
    z: neutral.deviation > 0 ? (projection - neutral.mean) / neutral.deviation : null,
    percentile: (100 * (below + equal / 2)) / values.length,
  };
}
