/** What a diff is asked for, made ready: all that can be refused is refused before a model is opened. */

import { createHash } from 'node:crypto';
import type { Edit } from '../../engine/request.ts';
import { PersonaError } from '../../errors.ts';
import type { ModelIdentity, OpenChatModelOptions } from '../../model/chat-model.ts';
import type { Watch, WatchSpec } from '../../monitor/watch.ts';
import type { AppliedSteering } from '../../steer/resolve.ts';
import type { SteerSpec } from '../../steer/spec.ts';
import type { Trait } from '../../trait/trait.ts';
import { vectorFinder } from '../../vector/find.ts';
import { openRunFolder } from '../../vector/run-folder.ts';
import { judgeName, type JudgeChoice } from '../../vector/score.ts';
import type { PersonaVector } from '../../vector/vector.ts';
import { type BaseSide, baseSide, type Side, tunedSide } from './models.ts';
import { traitsOf } from './traits.ts';
import { type DiffPrompt, traitPrompts } from './prompts.ts';
import { shortNames, stepsIn } from './trajectory.ts';
import { diffSteering, diffVectors } from './vectors.ts';

export interface DiffOptions {
  /** folder of the run */
  run: string;
  vectors: readonly WatchSpec[];
  /** @default vectorFinder() */
  find?: (nameOrPath: string) => Promise<PersonaVector>;
  /** @default the evaluation questions of the vectors' traits */
  prompts?: readonly DiffPrompt[];
  /** of each trait, the first so many */
  questions?: number | undefined;
  /** those that the vectors' files do not hold, for prompts and judge. @default the shipped ones, by name */
  traits?: readonly Trait[];
  /** edits of the tuned side, with vectors of the base */
  steer?: readonly SteerSpec[];
  /** also greedy answers, of at most so many tokens */
  answers?: { maxTokens: number };
  /** scores both models' answers; the likelihood judge is the base itself */
  judge?: { choice: JudgeChoice; pairs: number };
  /** @default 0 */
  seed?: number;
  /** of every model that is opened, and what is told meanwhile */
  engine?: Omit<OpenChatModelOptions, 'model' | 'loras'>;
}

/** Reads held at a time, those of the base and of one tuned model; beyond it only the layers asked for are read. */
const MAX_READS_BYTES = 2 * 2 ** 30;

/** A tuned model in its place of the trajectory. */
export interface Checkpoint {
  side: Side;
  name: string;
  step?: number;
  same: boolean;
}

export interface Plan {
  options: DiffOptions;
  base: BaseSide;
  checkpoints: Checkpoint[];
  watches: Watch[];
  traits: Trait[];
  prompts: readonly DiffPrompt[];
  edits: readonly Edit[];
  applied: AppliedSteering[];
  layers: number[];
}

/** @throws PersonaError WRONG_MODEL, USAGE, and of finding files */
export async function planDiff(given: string, tuned: readonly string[], options: DiffOptions): Promise<Plan> {
  const { engine = {}, find = vectorFinder() } = options;
  if (tuned.length === 0) throw new PersonaError('USAGE', 'no tuned model was given');
  const twice = tuned.find((one, i) => tuned.indexOf(one) !== i);
  if (twice !== undefined) throw new PersonaError('USAGE', `${twice} is given twice`);
  if (options.judge && !options.answers)
    throw new PersonaError('USAGE', 'a judge is given, but no answers are asked for');
  const note = (text: string): void => engine.onNote?.(text);

  const base = await baseSide(given, engine);
  const sides: Side[] = [];
  for (const one of tuned) {
    const { side, notes } = await tunedSide(one, base, engine);
    notes.forEach(note);
    sides.push(side);
  }
  const identities: ModelIdentity[] = sides.map(({ identity }) => identity);
  const { watches, notes } = await diffVectors(options.vectors, find, base.identity, identities);
  const steering = await diffSteering(options.steer ?? [], find, base.identity, identities);
  [...notes, ...steering.notes].forEach(note);
  const checkpoints = inOrder(base, sides, steering.edits.length > 0);
  for (const { same, side } of checkpoints)
    if (same) note(`${side.given} is ${base.given} itself: nothing can have shifted`);

  const needsTraits = options.prompts === undefined || options.judge !== undefined;
  const traits = needsTraits ? await traitsOf(watches, options.traits ?? []) : [];
  const prompts = options.prompts ?? traitPrompts(traits, options.questions);
  const layers = layersToRead(base.identity, watches, prompts.length, options);
  await openRunFolder(options.run, {
    what: 'diff',
    base: base.identity,
    prompts: { count: prompts.length, sha256: sha256(JSON.stringify(prompts)) },
    layers,
    ...(options.answers && { answers: options.answers }),
    ...(options.judge && { judge: judgeName(options.judge.choice), pairs: options.judge.pairs }),
    seed: options.seed ?? 0,
  });
  const { edits, applied } = steering;
  return { options, base, checkpoints, watches, traits, prompts, edits, applied, layers };
}

function inOrder(base: Side, sides: readonly Side[], steered: boolean): Checkpoint[] {
  const given = sides.map((side) => side.given);
  const steps = stepsIn(given);
  const names = shortNames(given);
  const checkpoints = sides.map((side, i) => ({
    side,
    name: names[i]!,
    ...(steps && { step: steps[i]! }),
    same: !steered && side.sha256 === base.sha256,
  }));
  return steps ? checkpoints.sort((a, b) => a.step! - b.step!) : checkpoints;
}

/** All, or those that are asked for where all would not fit into memory. */
export function layersToRead(
  { layers, width }: ModelIdentity,
  watches: readonly Watch[],
  prompts: number,
  { answers, engine }: Pick<DiffOptions, 'answers' | 'engine'>,
): number[] {
  const perLayer = 2 * prompts * width * Float32Array.BYTES_PER_ELEMENT * (answers ? 2 : 1);
  if (layers * perLayer <= MAX_READS_BYTES) return Array.from({ length: layers }, (_, b) => b);
  const needed = [...new Set(watches.map(({ layer }) => layer))].sort((a, b) => a - b);
  engine?.onNote?.(
    `${prompts} prompts at all ${layers} layers would take ${Math.ceil((layers * perLayer) / 2 ** 30)} GiB: only the layers ${needed.join(', ')} are read`,
  );
  return needed;
}

/** Of a hash, in file names and keys of rows: enough that no two models of a run share them. */
const KEY_DIGITS = 16;

/** Which weights, under which edits: a vector made anew under the same name is another one. */
export function keyOf(side: Side, edits: readonly Edit[]): string {
  const hash = createHash('sha256').update(side.sha256);
  for (const { direction, ...rest } of edits) hash.update(JSON.stringify(rest)).update(direction);
  return hash.digest('hex').slice(0, KEY_DIGITS);
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
