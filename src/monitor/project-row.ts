/**
 * The projection of a finished text onto vectors: one forward pass, up to the highest layer that is asked for.
 *
 *     response_avg   mean over the answer's tokens      prompt_avg   mean over the prompt's tokens
 *     prompt_last    at the last token of the prompt
 *
 * A projection is linear, so the projection of a mean is the mean of projections (paper §6.2).
 */

import type { Engine } from '../engine/engine.ts';
import type { MeanKind } from '../engine/request.ts';
import { project } from '../math/vector.ts';
import { direction } from '../vector/vector.ts';
import { answerZ } from './baseline.ts';
import type { Watch } from './watch.ts';

export const MEAN_KINDS: readonly MeanKind[] = ['response_avg', 'prompt_avg', 'prompt_last'];

/** Rendered text. Only `response_avg` needs an answer. */
export interface FinishedText {
  prompt: string;
  answer?: string | undefined;
}

export interface Projection {
  /** ⟨mean, v⟩/‖v‖; null where there is no token to average over */
  value: number | null;
  /** standard deviations from the model's neutral answers: of `response_avg`, where the vector has a baseline */
  z?: number | null;
}

/** One projection per watch, in their order. */
export async function projectRow(
  engine: Engine,
  { prompt, answer = '' }: FinishedText,
  watches: readonly Watch[],
  kind: MeanKind,
  signal?: AbortSignal,
): Promise<Projection[]> {
  const layers = [...new Set(watches.map(({ layer }) => layer))];
  const { width } = engine.info;
  const result = await engine.run(
    { prompt, ...(kind === 'response_avg' && { answer }), means: { layers, kinds: [kind] } },
    signal && { signal },
  );
  const means = result.means?.[kind]; // (layers × d); absent for an empty answer
  return watches.map(({ vector, layer }) => {
    const at = layers.indexOf(layer) * width;
    const value = means ? project(means.subarray(at, at + width), direction(vector, layer)) : null;
    return {
      value,
      ...(kind === 'response_avg' && vector.baseline && { z: answerZ(value, vector.baseline, layer) }),
    };
  });
}
