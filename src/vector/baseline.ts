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
  const { layers, width } = model.identity;
  const projections = Array.from({ length: layers }, (_, layer) => ({
    name: String(layer),
    layer,
    direction: directions.subarray(layer * width, (layer + 1) * width),
  }));
  const means: number[][] = projections.map(() => []);
  const tokens: number[][] = projections.map(() => []);
  const usable = answers.filter(({ answer }) => answer !== '');
  if (usable.length === 0) return undefined;
  const read = async (
    { prompt, answer }: (typeof usable)[number],
    stop: AbortSignal,
  ): Promise<number[][]> => {
    const result = await model.engine.run({ prompt, answer, projections }, { signal: stop });
    return result.projections!.map((p) => p.tokens);
  };
  for await (const perLayer of inFlight(usable, inFlightLimit(model), read, signal)) {
    perLayer.forEach((values, layer) => {
      means[layer]!.push(mean(values));
      tokens[layer]!.push(...values);
    });
  }
  return {
    mean: Float32Array.from(means, mean),
    deviation: Float32Array.from(means, spread),
    tokenDeviation: Float32Array.from(tokens, spread),
    answers: usable.length,
  };
}

/** 0, which is no spread, for a single value. */
function spread(values: readonly number[]): number {
  return values.length > 1 ? deviation(values) : 0;
}
