/** From kept rollouts to directions: their activations, taken while they were asked or read again from the text. */

import { inFlight } from '../engine/in-flight.ts';
import type { MeanKind } from '../engine/request.ts';
import type { ChatModel } from '../model/chat-model.ts';
import type { Progress } from '../model/progress.ts';
import { inFlightLimit, MEAN_KINDS, readMeans } from '../rollout/ask.ts';
import type { RolloutMeans, Side } from '../rollout/rollout.ts';
import { addRollout, finishDifference, startDifference } from './difference.ts';
import { separation, type SideMean } from './separation.ts';

/** Rollouts a side whose means are kept for figures; more would only sharpen what is sharp by then. */
const MAX_SAMPLES = 200;

/** What is needed of a rollout; those of others have no question, and an index of their own. */
export interface KeptRollout {
  id: string;
  side: Side | 'none';
  questionIndex: number;
  /** which may exchange labels under the null: the two of a pair, or those of a question; see permutationNull */
  block?: number;
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
  /** some of both sides, in the order of the rollouts */
  samples: SideMean[];
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
  const samples = new Map<string, SideMean>();
  const counts: Record<Side, number> = { pos: 0, neg: 0 };

  const take = (
    { id, side, questionIndex, block = 0 }: KeptRollout,
    { means, residualNorms }: RolloutMeans,
  ): void => {
    if (side === 'none' || !means.response_avg || !residualNorms) return;
    for (const difference of differences) addRollout(difference, side, means[difference.kind]!);
    for (let b = 0; b < layers; b++) norms[b] = norms[b]! + residualNorms[b]!;
    if (counts[side] < MAX_SAMPLES) samples.set(id, { side, questionIndex, block, mean: means.response_avg });
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
  const ordered = kept.flatMap(({ id }) => samples.get(id) ?? []);
  return {
    directions: Object.fromEntries(differences.map((d) => [d.kind, finishDifference(d)])) as Record<
      MeanKind,
      Float32Array
    >,
    residualNorms: Float32Array.from(norms, (x) => x / (counts.pos + counts.neg)),
    separation: separation(ordered, layers, width),
    samples: ordered,
  };
}
