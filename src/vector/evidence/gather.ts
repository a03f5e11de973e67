/**
 * The evidence that a vector deserves belief, gathered after it was made and tuned. Each piece is kept in the run
 * folder as it is finished, so that a killed run goes on with the next one.
 */

import { basename, join } from 'node:path';
import { z } from 'zod';
import type { Edit } from '../../engine/request.ts';
import type { Interval } from '../../math/bootstrap.ts';
import type { Judge } from '../../judge/judge.ts';
import type { ChatModel } from '../../model/chat-model.ts';
import type { Progress } from '../../model/progress.ts';
import type { Trait } from '../../trait/trait.ts';
import { measureCapability, type Scoring } from '../capability.ts';
import { readCapability } from '../capability-items.ts';
import { openRunLog, type RunLog } from '../run-folder.ts';
import type { SideMean } from '../separation.ts';
import { direction, type PersonaVector, type Quality } from '../vector.ts';
import { lengthEffect } from './answer-length.ts';
import { refusalVector } from './refusal-direction.ts';
import { measureFloor } from './floor.ts';
import { askHeldOut, heldOutFigures, PAIRS } from './held-out.ts';
import { figuresOfSamples } from './of-samples.ts';
import { otherChoices } from './other-layers.ts';
import { HARMFUL_COUNT, measureRefusals } from './refusals.ts';
import { knownVectorFiles, similarVectors } from './similar.ts';
import { verdictOf } from './verdict.ts';

export interface EvidenceOptions {
  run: string;
  /** evaluation questions asked under instructions, and under the floor's directions */
  questions: number;
  maxTokens: number;
  seed: number;
  capability: CapabilitySource;
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: Progress) => void) | undefined;
}

/** By which questions it is seen what a model knows. */
export interface CapabilitySource {
  /** @default those that come with the package */
  path?: string | undefined;
  /** @default 'text' */
  scoring?: Scoring | undefined;
  /** about so many of them, evenly taken. @default all */
  most?: number | undefined;
}

/** Answers that are written for it, short ones for refusals included. */
export function answersOfEvidence(questions: number): number {
  return 2 * PAIRS * questions + questions + 2 * (questions + HARMFUL_COUNT);
}

interface PieceLine {
  piece: string;
  value: Partial<Quality>;
}

const pieceSchema = z.object({
  piece: z.string(),
  value: z.looseObject({}),
}) as unknown as z.ZodType<PieceLine>;

/**
 * @param vector with its layer, and its coefficient where one was found; doses and counts among its figures
 * @param samples of both sides, that the vector was made of
 * @returns the vector's figures with the evidence among them
 */
export async function gatherEvidence(
  model: ChatModel,
  trait: Trait,
  vector: PersonaVector,
  samples: readonly SideMean[],
  judge: Judge,
  options: EvidenceOptions,
): Promise<Quality> {
  const begun = performance.now();
  const { layer } = vector as { layer: number };
  const { layers } = model.identity;
  const v = direction(vector, layer);
  const evaluation = trait.evaluation.slice(0, options.questions);
  const log = await openRunLog(join(options.run, 'evidence.jsonl'), pieceSchema, (row) => row.piece);
  await using _ = log.log;
  const piece = pieceKeeper(log);
  const telling =
    (label: string, unit = 'answers') =>
    (done: number, total: number): void =>
      options.onProgress?.({ label, done, total, unit });

  const found: Partial<Quality>[] = [];
  found.push(await piece('samples', () => figuresOfSamples(samples, layers, options.seed)));
  found.push(
    await piece('held out', async () => {
      const answers = await askHeldOut(model, trait, vector.directions, {
        ...options,
        onProgress: telling('unseen questions'),
      });
      const measured = answers.map(({ side, tokens, projections }) => ({
        side,
        tokens,
        projection: projections[layer]!,
      }));
      return { heldOut: heldOutFigures(answers, layers), length: lengthEffect(measured) };
    }),
  );
  const { coefficient } = vector;
  if (coefficient !== undefined) {
    const edits: Edit[] = [{ op: 'add', layer, direction: v, coefficient }];
    found.push(
      await piece('floor', async () => ({
        floor: await measureFloor(model, v, judge, {
          ...options,
          layer,
          coefficient,
          questions: trait.questions.slice(0, options.questions),
          onProgress: telling('unrelated directions'),
        }),
      })),
      await piece('capability', async () => ({
        capability: await capabilityChange(
          model,
          options.capability,
          edits,
          telling('what it knows', 'questions'),
          options.signal,
        ),
      })),
      await piece('refusals', async () => ({
        refusals: await measureRefusals(model, {
          ...options,
          ordinary: evaluation,
          edits,
          onProgress: telling('refusals'),
        }),
      })),
    );
  }
  const figures: Quality = Object.assign({}, vector.quality, ...found);
  const refusal = await refusalVector(model, {
    seed: options.seed,
    signal: options.signal,
    onProgress: telling('refusal direction'),
  });
  figures.similar = await similarVectors(vector, layer, [
    ...(await knownVectorFiles(options.run)),
    ...(refusal ? [refusal] : []),
  ]);
  figures.otherLayers = otherChoices(layer, figures.layerDoses ?? [], [
    {
      rule: 'best AUC on unseen questions',
      values: (figures.heldOut?.auc ?? []).map((x) => x?.mean ?? null),
    },
    { rule: 'most alike halves', values: (figures.splitHalf ?? []).map((x) => x.mean) },
  ]);
  figures.verdict = verdictOf(figures, layer, coefficient);
  figures.seconds = Math.round((performance.now() - begun) / 100) / 10;
  return figures;
}

async function capabilityChange(
  model: ChatModel,
  { path, scoring = 'text', most = Infinity }: CapabilitySource,
  edits: readonly Edit[],
  tell: (done: number, total: number) => void,
  signal: AbortSignal | undefined,
): Promise<NonNullable<Quality['capability']>> {
  const all = await readCapability(path);
  const step = Math.max(1, Math.ceil(all.length / most));
  const items = all.filter((_, i) => i % step === 0);
  const measure = async (own: readonly Edit[], before: number): Promise<Interval> => {
    const onProgress = ({ done }: Progress): void => tell(before + done, 2 * items.length);
    return (await measureCapability(model, items, { edits: own, scoring, signal, onProgress })).interval;
  };
  const unsteered = await measure([], 0);
  const steered = await measure(edits, items.length);
  const set = path === undefined ? 'easy ones that come with this package' : basename(path);
  const how = scoring === 'text' ? 'the likeliest choice' : 'the likeliest letter';
  return { items: items.length, how: `${set}; by ${how}`, unsteered, steered };
}

/** Runs a piece of work, or takes what came of it before. */
function pieceKeeper({ rows, log }: RunLog<PieceLine>) {
  const known = new Map(rows.map(({ piece, value }) => [piece, value]));
  return async (
    name: string,
    work: () => Partial<Quality> | Promise<Partial<Quality>>,
  ): Promise<Partial<Quality>> => {
    const before = known.get(name);
    if (before) return before;
    const value = JSON.parse(JSON.stringify(await work())) as Partial<Quality>; // as it will be read again
    await log.append({ piece: name, value });
    return value;
  };
}
