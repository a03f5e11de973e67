/**
 * From a trait to a persona vector: ask, judge, filter, take the difference, measure the baseline, choose layer and
 * coefficient by steering (paper §2–4). Every step leaves its rows in the run folder, and takes up those it finds.
 */

import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { PersonaError } from '../errors.ts';
import { version } from '../files/package-version.ts';
import type { Calibration } from '../judge/calibrate.ts';
import type { Judge } from '../judge/judge.ts';
import { LIKELIHOOD } from '../judge/likelihood.ts';
import { norm } from '../math/vector.ts';
import type { ChatModel } from '../model/chat-model.ts';
import type { Progress } from '../model/progress.ts';
import { askRollouts, usualTemperature } from '../rollout/ask.ts';
import { planNeutral, planRollouts } from '../rollout/plan.ts';
import { rolloutSchema, type Rollout, type RolloutMeans } from '../rollout/rollout.ts';
import type { Trait } from '../trait/trait.ts';
import { measureBaseline } from './baseline.ts';
import { collectMeans, type KeptRollout } from './collect.ts';
import type { Dose } from './dose.ts';
import { gatherEvidence, type CapabilitySource } from './evidence/gather.ts';
import { writeVector } from './file.ts';
import {
  countFiltered,
  filterRollouts,
  pairKey,
  type FilteredRollout,
  type FilterCounts,
  type FilterOptions,
} from './filter.ts';
import { openRunFolder, openRunLog } from './run-folder.ts';
import { judgeName, scoreRollouts, type JudgeChoice, type Scored } from './score.ts';
import { checkLayers, tune, type TuneOptions } from './tune.ts';
import type { PersonaVector } from './vector.ts';
import { writeKinds } from './write-kinds.ts';

export interface ExtractOptions {
  /** folder of the run */
  run: string;
  /** also writes the vector there */
  output?: string | undefined;
  /** of the trait's extraction questions. @default 20 */
  questions: number;
  /** answers to each question under each instruction. @default 1 */
  samples: number;
  /** of an answer */
  maxTokens: number;
  /** @default 0 for one sample, 1 for several (the reference's rule) */
  temperature?: number | undefined;
  seed: number;
  /** the first filters and chooses, the others only score. @default likelihood */
  judges?: readonly [JudgeChoice, ...JudgeChoice[]] | undefined;
  /** instruction pairs that the likelihood judge uses for one answer */
  judgePairs: number;
  filter: FilterOptions;
  tune: TuneOptions;
  /** evaluation questions that the evidence is gathered on; 0 gathers none */
  evidence: number;
  /** by which questions it is seen what steering costs. @default ours */
  capability?: CapabilitySource | undefined;
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: Progress) => void) | undefined;
  onNote?: ((note: string) => void) | undefined;
}

export interface Extraction {
  vector: PersonaVector;
  path: string;
  counts: FilterCounts;
  filtered: FilteredRollout[];
  /** of the likelihood judge, where it is one of the judges */
  calibration: Calibration | undefined;
  /** doses of the layers tried, and of the coefficients at the chosen one */
  layerDoses: Dose[];
  doses: Dose[];
  /** why this layer */
  why: string;
}

/** Activations kept in memory between asking and filtering; what does not fit is read again from the text. */
const KEPT_MEANS_BYTES = 2 ** 30;

/**
 * @throws PersonaError EMPTY_SIDE when nothing of a side passes the filter, with what to change; USAGE when the run
 * folder holds another run, or a layer to try is not in the model
 */
export async function extract(model: ChatModel, trait: Trait, options: ExtractOptions): Promise<Extraction> {
  checkLayers(options.tune.layers, model);
  const temperature = options.temperature ?? usualTemperature(options.samples);
  const { questions, samples, maxTokens, seed, judgePairs, filter, judges = [LIKELIHOOD] } = options;
  const [first, ...others] = judges.map(judgeName);
  const judge = { name: first!, ...(first === LIKELIHOOD ? { pairs: judgePairs } : {}) };
  await openRunFolder(options.run, {
    trait: trait.name,
    traitSha256: createHash('sha256').update(JSON.stringify(trait)).digest('hex'),
    model: model.identity,
    questions,
    samples,
    maxTokens,
    temperature,
    seed,
    judge,
    ...(others.length > 0 ? { otherJudges: others } : {}),
    filter,
    tune: { ...options.tune },
    evidence: options.evidence,
    ...(options.capability ? { capability: options.capability } : {}),
  });

  const { rollouts, means } = await ask(model, trait, { ...options, temperature });
  const scored: Scored[] = [];
  for (const choice of judges)
    scored.push(
      await scoreRollouts(model, trait, rollouts, choice, {
        ...options,
        pairs: judgePairs,
        laterPairs: options.tune.judgePairs,
      }),
    );
  const { judgements } = scored[0]!;
  const calibration = scored.find((one) => one.calibration !== undefined)?.calibration;

  const filtered = filterRollouts(
    rollouts
      .filter(({ side }) => side !== 'none')
      .map((rollout) => ({ rollout, judgement: judgements.get(rollout.id)! })),
    filter,
  );
  const counts = countFiltered(filtered);
  if (counts.kept.pos === 0 || counts.kept.neg === 0) throw emptySide(counts, filter);

  const kept = withBlocks(filtered, filter.paired ?? true);
  const collected = await collectMeans(model, kept, means, options);
  const usual = rollouts.filter((rollout) => rollout.side === 'none');
  const { layers, width } = model.identity;
  const directions = collected.directions.response_avg;
  const baseline = await measureBaseline(model, directions, usual, options.signal);
  const vector: PersonaVector = {
    trait: trait.name,
    kind: 'response_avg',
    model: model.identity,
    directions,
    residualNorms: collected.residualNorms,
    ...(baseline ? { baseline } : {}),
    recipe: {
      trait,
      questions,
      samples,
      maxTokens,
      temperature,
      seed,
      judge,
      ...(others.length > 0 ? { otherJudges: others } : {}),
      ...(calibration ? { calibration } : {}),
      filter,
      created: new Date().toISOString(),
    },
    quality: {
      counts,
      norms: Array.from({ length: layers }, (_, b) => norm(directions.subarray(b * width, (b + 1) * width))),
      separation: Array.from(collected.separation, (x) => (Number.isNaN(x) ? null : x)),
    },
    version,
  };

  const tuned = await tune(model, trait, directions, judgesOf(scored), join(options.run, 'sweep.jsonl'), {
    ...options.tune,
    maxTokens,
    seed,
    signal: options.signal,
    onProgress: options.onProgress,
  });
  vector.layer = tuned.layer;
  if (tuned.coefficient === undefined) {
    options.onNote?.(
      'no positive coefficient tried keeps the answers coherent: none is stored; try smaller ones with persona sweep',
    );
  } else vector.coefficient = tuned.coefficient;
  vector.quality = { ...vector.quality, doses: tuned.doses, layerDoses: tuned.layerDoses, why: tuned.why };

  if (options.evidence > 0)
    vector.quality = await gatherEvidence(model, trait, vector, collected.samples, scored[0]!.judge, {
      ...options,
      questions: options.evidence,
      capability: options.capability ?? {},
    });

  const path = join(options.run, 'vector.gguf');
  await writeKinds(options.run, vector, collected.directions);
  if (options.output !== undefined) {
    await mkdir(dirname(options.output), { recursive: true });
    await writeVector(options.output, vector);
  }
  return { vector, path, counts, filtered, calibration, ...tuned };
}

/** What is kept, with whom each rollout may exchange its label under the null. */
function withBlocks(filtered: readonly FilteredRollout[], paired: boolean): KeptRollout[] {
  const blocks = new Map<string, number>();
  return filtered
    .filter(({ dropped }) => dropped === undefined)
    .map(({ rollout }) => {
      const key = paired ? pairKey(rollout) : String(rollout.questionIndex);
      const block = blocks.get(key) ?? blocks.size;
      blocks.set(key, block);
      return { ...rollout, block };
    });
}

function judgesOf(scored: readonly Scored[]): [Judge, ...Judge[]] {
  return scored.map(({ judge }) => judge) as [Judge, ...Judge[]];
}

interface AskedRollouts {
  rollouts: Rollout[];
  means: Map<string, RolloutMeans>;
}

async function ask(
  model: ChatModel,
  trait: Trait,
  options: ExtractOptions & { temperature: number },
): Promise<AskedRollouts> {
  // one usual answer a question is enough for a baseline
  const plan = [
    ...planRollouts(trait, options),
    ...planNeutral(trait, { questions: options.questions, samples: 1 }),
  ];
  const { rows, log } = await openRunLog(join(options.run, 'rollouts.jsonl'), rolloutSchema, (row) => row.id);
  await using _ = log;
  const done = new Map(rows.map((row) => [row.id, row]));
  if (rows.length > 0)
    options.onNote?.(`going on with ${rows.length} rollouts of ${plan.length} from ${log.path}`);
  const means = new Map<string, RolloutMeans>();
  const tell = (): void =>
    options.onProgress?.({ label: 'asking', done: done.size, total: plan.length, unit: 'rollouts' });
  tell();
  let bytes = 0;
  const missing = plan.filter(({ id }) => !done.has(id));
  for await (const { rollout, ...read } of askRollouts(model, missing, options)) {
    await log.append(rollout);
    done.set(rollout.id, rollout);
    tell();
    if (rollout.side === 'none') continue;
    for (const values of Object.values(read.means)) bytes += values.byteLength;
    if (bytes <= KEPT_MEANS_BYTES) means.set(rollout.id, read);
  }
  // in the order of the plan, whatever the order they came in: sums and splits do not depend on timing
  return { rollouts: plan.map(({ id }) => done.get(id)!), means };
}

function emptySide(counts: FilterCounts, filter: FilterOptions): PersonaError {
  const reasons = counts.dropped.map(({ reason, count }) => `${count} ${reason}`).join(', ');
  return new PersonaError(
    'EMPTY_SIDE',
    `none of ${counts.asked} rollouts passed the filter (threshold ${filter.threshold ?? 50}, coherence ${filter.coherence ?? 50}): ${reasons}`,
    {
      remedy:
        'ask more (--questions, --samples), lower --threshold or --min-coherence, or filter each side by itself (--unpaired)',
    },
  );
}

/** Where runs go when no folder is given. */
export function usualRunFolder(trait: Trait, model: ChatModel): string {
  return join('runs', `${trait.name}-${model.identity.name.replace(/[^\w.-]+/g, '-')}`);
}
