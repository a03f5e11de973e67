/** From kept rollouts to directions: their activations, taken while they were asked or read again from the text. */

import { inFlight } from '../engine/in-flight.ts';
import type { MeanKind } from '../engine/request.ts';
import type { ChatModel } from '../model/chat-model.ts';
import type { Progress } from '../model/progress.ts';
import { inFlightLimit, MEAN_KINDS, readMeans } from '../rollout/ask.ts';
import type { RolloutMeans, Side } from '../rollout/rollout.ts';
import { addRollout, finishDifference, startDifference } from './difference.ts';
import { separation, type SideMean } from './separation.ts';

/** Rollouts a side whose means are kept for the separation figure; more would only sharpen one that is sharp by then. */
const MAX_SEPARATED = 200;

/** What is needed of a rollout; those of others have no question, and an index of their own. */
export interface KeptRollout {
  id: string;
  side: Side | 'none';
  questionIndex: number;
  prompt: string;
  answer: string;
}

export interface CollectedMeans {
  /** per token kind, (layers × d) */
  directions: Record<MeanKind, Float32Array>;
  /** mean residual norm over answer tokens, (layers) */
  residualNorms: Float32Array;
  /** AUC per layer on questions the direction was not made of, (layers) */
  separation: Float32Array;
}

/** @param known activations that need not be read again, by rollout id */
export async function collectMeans(
  model: ChatModel,
  kept: readonly KeptRollout[],
  known: ReadonlyMap<string, RolloutMeans>,
  options: { signal?: AbortSignal | undefined; onProgress?: ((progress: Progress) => void) | undefined },
): Promise<CollectedMeans> {
  const { layers, width } = model.identity;
  const differences = MEAN_KINDS.map((kind) => startDifference(kind, layers * width));
  const norms = new Float64Array(layers);
  const separated: SideMean[] = [];
  const counts: Record<Side, number> = { pos: 0, neg: 0 };

  const take = ({ side, questionIndex }: KeptRollout, { means, residualNorms }: RolloutMeans): void => {
    if (side === 'none' || !means.response_avg || !residualNorms) return;
    for (const difference of differences) addRollout(difference, side, means[difference.kind]!);
    for (let b = 0; b < layers; b++) norms[b] = norms[b]! + residualNorms[b]!;
    if (counts[side] < MAX_SEPARATED) separated.push({ side, questionIndex, mean: means.response_avg });
    counts[side]++;
  };

  const unread = kept.filter(({ id }) => !known.has(id));
  const read = async (rollout: KeptRollout, signal: AbortSignal): Promise<[KeptRollout, RolloutMeans]> => [
    rollout,
    await readMeans(model, rollout, signal),
  ];
  for (const rollout of kept) if (known.has(rollout.id)) take(rollout, known.get(rollout.id)!);
  let done = 0;
  for await (const [rollout, means] of inFlight(unread, inFlightLimit(model), read, options.signal)) {
    take(rollout, means);
    options.onProgress?.({ label: 'reading', done: ++done, total: unread.length, unit: 'rollouts' });
  }
  return {
    directions: Object.fromEntries(differences.map((d) => [d.kind, finishDifference(d)])) as Record<
      MeanKind,
      Float32Array
    >,
    residualNorms: Float32Array.from(norms, (x) => x / (counts.pos + counts.neg)),
    separation: separation(separated, layers, width),
  };
}
