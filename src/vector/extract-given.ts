/** A vector from answers that somebody else made and sorted: nothing is asked, judged or steered. */

import { dirname, join } from 'node:path';
import { mkdir } from 'node:fs/promises';
import { PersonaError } from '../errors.ts';
import { version } from '../files/package-version.ts';
import { norm } from '../math/vector.ts';
import type { ChatModel } from '../model/chat-model.ts';
import type { Progress } from '../model/progress.ts';
import type { GivenRollout } from '../rollout/given.ts';
import type { Side } from '../rollout/rollout.ts';
import { collectMeans, type KeptRollout } from './collect.ts';
import { writeVector } from './file.ts';
import { openRunFolder } from './run-folder.ts';
import type { PersonaVector } from './vector.ts';
import { writeKinds } from './write-kinds.ts';

export interface GivenOptions {
  run: string;
  output?: string | undefined;
  /** where the answers came from, and what identifies them */
  source: { path: string; sha256: string };
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: Progress) => void) | undefined;
}

export interface GivenExtraction {
  vector: PersonaVector;
  path: string;
  kept: { pos: number; neg: number };
  /** answers without a token */
  dropped: number;
}

/** Without a sweep the layer is the one that most models are steered best near (paper §4.5). */
const USUAL_DEPTH = 0.55;

export async function extractGiven(
  model: ChatModel,
  trait: string,
  given: readonly GivenRollout[],
  options: GivenOptions,
): Promise<GivenExtraction> {
  const usable = given.filter(({ answer }) => answer !== '');
  const of = (side: Side): KeptRollout[] =>
    usable
      .filter((rollout) => rollout.side === side)
      .map((rollout, index) => ({ ...rollout, id: `${side}_${index}`, questionIndex: index }));
  const [pos, neg] = [of('pos'), of('neg')];
  if (pos.length === 0 || neg.length === 0) {
    throw new PersonaError('EMPTY_SIDE', `${pos.length} positive and ${neg.length} negative answers`, {
      remedy: 'a vector is the difference of two sides: give answers of both',
    });
  }
  await openRunFolder(options.run, { trait, model: model.identity, rollouts: options.source });
  const collected = await collectMeans(model, [...pos, ...neg], new Map(), options);
  const { layers, width } = model.identity;
  const directions = collected.directions.response_avg;
  const kept = { pos: pos.length, neg: neg.length };
  const dropped = given.length - usable.length;
  const vector: PersonaVector = {
    trait,
    kind: 'response_avg',
    model: model.identity,
    directions,
    residualNorms: collected.residualNorms,
    layer: Math.round(USUAL_DEPTH * (layers - 1)),
    coefficient: 1,
    recipe: { rollouts: options.source, created: new Date().toISOString() },
    quality: {
      counts: {
        asked: given.length,
        kept,
        dropped: dropped > 0 ? [{ reason: 'empty answer', count: dropped }] : [],
      },
      norms: Array.from({ length: layers }, (_, b) => norm(directions.subarray(b * width, (b + 1) * width))),
      separation: Array.from(collected.separation, (x) => (Number.isNaN(x) ? null : x)),
      why: `a usual depth (${USUAL_DEPTH}): no steering was tried; persona sweep finds the best layer and coefficient`,
    },
    version,
  };
  await writeKinds(options.run, vector, collected.directions);
  if (options.output !== undefined) {
    await mkdir(dirname(options.output), { recursive: true });
    await writeVector(options.output, vector);
  }
  return { vector, path: join(options.run, 'vector.gguf'), kept, dropped };
}
