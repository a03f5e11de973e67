/** Everything of a training run that is settled before the first step: data as tokens, edits, what is watched. */

import { createHash } from 'node:crypto';
import { defaultThreads } from '../engine/pace.ts';
import { PersonaError } from '../errors.ts';
import { random } from '../math/random.ts';
import { openChatModel, type ChatModel, type OpenChatModelOptions } from '../model/chat-model.ts';
import { readGguf } from '../model/gguf-read.ts';
import { resolveWatches, type Watch, type WatchSpec } from '../monitor/watch.ts';
import { unit } from '../math/vector.ts';
import { type DiffPrompt, renderPrompt, traitPrompts } from '../screen/diff/prompts.ts';
import { traitsOf } from '../screen/diff/traits.ts';
import type { Gate } from '../screen/gate.ts';
import type { BadLimit } from '../screen/samples.ts';
import type { AppliedSteering } from '../steer/resolve.ts';
import type { SteerSpec } from '../steer/spec.ts';
import type { Trait } from '../trait/trait.ts';
import { vectorFinder } from '../vector/find.ts';
import { openRunFolder } from '../vector/run-folder.ts';
import type { PersonaVector } from '../vector/vector.ts';
import { architectureOf, weightsOf } from './architecture.ts';
import { stepCount } from './batches.ts';
import { LAYOUT } from './checkpoint.ts';
import { readTrainingData, type TrainingSample } from './data.ts';
import { trainingEdits } from './edits.ts';
import type { Job } from './job.ts';
import { checkRecipe, PAPER, recipeFor, type Recipe } from './recipe.ts';

export interface TrainOptions {
  data: readonly string[];
  /** folder of the run */
  run: string;
  /** fields that differ from the usual recipe for so much data */
  recipe?: Partial<Recipe>;
  /** added while training (preventative steering) */
  steer?: readonly SteerSpec[];
  /** removed while training (CAFT) */
  ablate?: readonly SteerSpec[];
  watch?: readonly WatchSpec[];
  /** texts of traits that neither the vectors hold nor we ship, by name */
  traits?: readonly Trait[];
  /** at whose end the watched vectors are read. @default the evaluation questions of their traits */
  prompts?: readonly DiffPrompt[];
  find?: (nameOrPath: string) => Promise<PersonaVector>;
  /** share of the rows that is held out, its loss measured. @default 0 */
  hold?: number;
  /** steps between two looks. @default a twentieth of the run */
  watchEvery?: number;
  /** steps between two checkpoints. @default a tenth of the run, at most 50 */
  saveEvery?: number;
  gates?: readonly Gate[];
  /** of conversations, the last answer or each. @default 'all' */
  turns?: 'last' | 'all';
  maxBad?: BadLimit;
  device?: 'cpu' | 'gpu';
  engine?: OpenChatModelOptions;
  signal?: AbortSignal;
}

/** What is read of the training data's own prompts, beside those of the traits: the first so many. */
const DATA_PROMPTS = 16;
const TRAIT_PROMPTS = 'evaluation questions';
const GIVEN_PROMPTS = 'prompts given';
const OWN_PROMPTS = "the data's own";

export interface TrainPlan {
  job: Job;
  recipe: Recipe;
  steps: number;
  model: { name: string; path: string };
  watches: Watch[];
  /** those of the watched vectors, and others that were given */
  traits: Trait[];
  applied: AppliedSteering[];
  counts: {
    rows: number;
    held: number;
    cut: number;
    tooLong: string[];
    tokens: number;
    learnt: number;
  };
  /** what people should know */
  notes: string[];
}

/** @throws PersonaError of the data, naming file and line; of the model, a vector or the recipe */
export async function planTraining(options: TrainOptions): Promise<TrainPlan> {
  const { find = vectorFinder(), engine = {} } = options;
  const notes: string[] = [];
  await using model = await openChatModel({ ...engine, parallel: 1, context: MINIMAL_CONTEXT });
  const file = await readGguf(model.path);
  const architecture = architectureOf(file);

  const { trainContext } = model.engine.info;
  const maxLength = options.recipe?.maxLength ?? Math.min(PAPER.maxLength, trainContext);
  if (maxLength > trainContext)
    throw new PersonaError(
      'USAGE',
      `maxLength: ${maxLength} tokens, but the model was made for ${trainContext}`,
    );
  const data = await readTrainingData(options.data, model, {
    maxLength,
    turns: options.turns ?? 'all',
    ...(options.maxBad && { maxBad: options.maxBad }),
    onBad: (place, problem) => notes.push(`${place}: ${problem}; left out`),
    onShape: (path, shape) => notes.push(`${path}: rows of ${shape}`),
    signal: options.signal,
    hub: { offline: engine.offline, onNote: (text) => notes.push(text) },
    onProgress: engine.onProgress,
  });
  const { recipe, note } = recipeFor(data.samples.length, { ...options.recipe, maxLength });
  checkRecipe(recipe);
  if (note !== undefined) notes.push(note);

  const { samples, held } = split(data.samples, options.hold ?? 0, recipe.seed);
  const edits = await trainingEdits(options.steer ?? [], options.ablate ?? [], find, model.identity);
  const { watches, notes: watchNotes } = await resolveWatches(options.watch ?? [], find, model.identity);
  notes.push(...edits.notes, ...watchNotes);

  const traits = await traitsOf(watches, options.traits ?? []);
  const prompts = watches.length === 0 ? [] : await promptSets(options.prompts, traits, model, samples);
  const steps = stepCount(samples.length, recipe);
  const watchEvery = options.watchEvery ?? Math.max(1, Math.round(steps / 20));
  const saveEvery = options.saveEvery ?? Math.min(50, Math.max(1, Math.round(steps / 10)));
  const described = {
    what: 'train',
    model: model.identity,
    recipe,
    data: { rows: samples.length, sha256: hashOf(samples) },
    held: { rows: held.length, sha256: hashOf(held) },
    edits: edits.applied,
    editsSha256: sha256(
      edits.edits.map(({ layer, add, ablate }) => ({ layer, add: numbers(add), ablate: numbers(ablate) })),
    ),
    watches: watches.map(({ name, layer, source }) => ({ name, layer, source })),
    prompts: prompts.map(({ name, tokens }) => ({ name, count: tokens.length })),
    watchEvery,
  };
  await openRunFolder(options.run, described);
  return {
    job: {
      architecture,
      weights: weightsOf(file),
      recipe,
      samples,
      held,
      edits: edits.edits,
      watches: watches.map(({ name, layer, vector }) => ({
        name,
        layer,
        direction: unit(
          vector.directions.subarray(layer * architecture.width, (layer + 1) * architecture.width),
        ),
      })),
      prompts,
      watchEvery,
      saveEvery,
      folder: options.run,
      key: sha256({ ...described, layout: LAYOUT }),
      threads: engine.threads ?? defaultThreads(),
      device: options.device ?? 'cpu',
    },
    recipe,
    steps,
    model: { name: model.identity.name, path: model.path },
    watches,
    traits,
    applied: edits.applied,
    counts: {
      rows: samples.length,
      held: held.length,
      cut: data.cut,
      tooLong: data.tooLong,
      tokens: samples.reduce((sum, { tokens }) => sum + tokens.length, 0),
      learnt: samples.reduce((sum, { tokens, promptLength }) => sum + tokens.length - promptLength, 0),
    },
    notes,
  };
}

function sha256(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex');
}

/** Only texts are tokenised. */
const MINIMAL_CONTEXT = 64;

/** Row by row: data may be longer than a string can be. */
function hashOf(samples: readonly TrainingSample[]): string {
  const hash = createHash('sha256');
  for (const { tokens, promptLength } of samples)
    hash.update(Int32Array.of(promptLength, tokens.length)).update(tokens);
  return hash.digest('hex');
}

function numbers(values: Float32Array | undefined): string | undefined {
  return values && Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString('base64');
}

/** Held-out rows are drawn by the seed and stay in their order. */
function split(
  samples: readonly TrainingSample[],
  hold: number,
  seed: number,
): { samples: TrainingSample[]; held: TrainingSample[] } {
  if (!(hold >= 0 && hold < 1))
    throw new PersonaError('USAGE', `hold: expected a share from 0 to below 1, got ${hold}`);
  const count = Math.round(samples.length * hold);
  const drawn = new Set(
    random(seed)
      .shuffle(samples.map((_, i) => i))
      .slice(0, count),
  );
  return {
    samples: samples.filter((_, i) => !drawn.has(i)),
    held: samples.filter((_, i) => drawn.has(i)),
  };
}

async function promptSets(
  prompts: readonly DiffPrompt[] | undefined,
  traits: readonly Trait[],
  model: ChatModel,
  samples: readonly TrainingSample[],
): Promise<Job['prompts']> {
  const given = prompts ?? traitPrompts(traits);
  const tokens: Int32Array[] = [];
  for (const prompt of given)
    tokens.push(Int32Array.from(await model.engine.tokenize(renderPrompt(prompt, model), true)));
  return [
    { name: prompts ? GIVEN_PROMPTS : TRAIT_PROMPTS, tokens },
    {
      name: OWN_PROMPTS,
      tokens: samples.slice(0, DATA_PROMPTS).map((sample) => sample.tokens.slice(0, sample.promptLength)),
    },
  ];
}
