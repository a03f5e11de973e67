/**
 * From a trait to a persona vector: ask, judge, filter, take the difference, measure the baseline, choose layer and
 * coefficient by steering (paper §2–4). Every step leaves its rows in the run folder, and takes up those it finds.
 */

import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { PersonaError } from '../errors.ts';
import { version } from '../files/package-version.ts';
import { calibrationWarning, type Calibration } from '../judge/calibrate.ts';
import { LIKELIHOOD, likelihoodJudge } from '../judge/likelihood.ts';
import { norm } from '../math/vector.ts';
import type { ChatModel } from '../model/chat-model.ts';
import type { Progress } from '../model/progress.ts';
import { askRollouts, usualTemperature } from '../rollout/ask.ts';
import { planNeutral, planRollouts } from '../rollout/plan.ts';
import { rolloutSchema, type Rollout, type RolloutMeans } from '../rollout/rollout.ts';
import type { Trait } from '../trait/trait.ts';
import { measureBaseline } from './baseline.ts';
import { collectMeans } from './collect.ts';
import type { Dose } from './dose.ts';
import { writeVector } from './file.ts';
import {
  countFiltered,
  filterRollouts,
  type FilteredRollout,
  type FilterCounts,
  type FilterOptions,
} from './filter.ts';
import { openRunFolder, openRunLog } from './run-folder.ts';
import { scaleJudge } from './scale.ts';
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
  /** instruction pairs the judge uses for one answer */
  judgePairs: number;
  filter: FilterOptions;
  tune: TuneOptions;
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: Progress) => void) | undefined;
  onNote?: ((note: string) => void) | undefined;
}

export interface Extraction {
  vector: PersonaVector;
  path: string;
  counts: FilterCounts;
  filtered: FilteredRollout[];
  calibration: Calibration;
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
  const { questions, samples, maxTokens, seed, judgePairs, filter } = options;
  await openRunFolder(options.run, {
    trait: trait.name,
    traitSha256: createHash('sha256').update(JSON.stringify(trait)).digest('hex'),
    model: model.identity,
    questions,
    samples,
    maxTokens,
    temperature,
    seed,
    judge: { name: LIKELIHOOD, pairs: judgePairs },
    filter,
    tune: { ...options.tune },
  });

  const { rollouts, means } = await ask(model, trait, { ...options, temperature });
  const scale = await scaleJudge(model, trait, rollouts, join(options.run, 'measurements.jsonl'), {
    pairs: judgePairs,
    seed,
    signal: options.signal,
    onProgress: options.onProgress,
  });
  const warning = calibrationWarning(scale.calibration);
  if (warning) options.onNote?.(warning);

  const filtered = filterRollouts(
    rollouts.map((rollout) => ({ rollout, judgement: scale.judgements.get(rollout.id)! })),
    filter,
  );
  const counts = countFiltered(filtered);
  if (counts.kept.pos === 0 || counts.kept.neg === 0) throw emptySide(counts, filter);

  const kept = filtered.filter((item) => item.dropped === undefined).map((item) => item.rollout);
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
      judge: { name: LIKELIHOOD, pairs: judgePairs },
      calibration: scale.calibration,
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

  const judge = likelihoodJudge(model, trait, scale.calibration, { pairs: options.tune.judgePairs });
  const tuned = await tune(model, trait, directions, judge, join(options.run, 'sweep.jsonl'), {
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

  const path = join(options.run, 'vector.gguf');
  await writeKinds(options.run, vector, collected.directions);
  if (options.output !== undefined) {
    await mkdir(dirname(options.output), { recursive: true });
    await writeVector(options.output, vector);
  }
  return { vector, path, counts, filtered, calibration: scale.calibration, ...tuned };
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
