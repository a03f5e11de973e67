/** A reference of clean data: screened as the data is, and logged beside it, so that the next data need not do it again. */

import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { PersonaError } from '../errors.ts';
import type { ChatModel } from '../model/chat-model.ts';
import { openRunFolder, type RunConfig } from '../vector/run-folder.ts';
import { differences } from './measure.ts';
import { type DataFile, WORK_FOLDER } from './read/files.ts';
import { screenSet, type SetOptions } from './screen-set.ts';
import { short } from './gate-text.ts';
import { addAll, Tally } from './tally.ts';

/** Of the folder's name: what was asked for decides it. */
const DIGITS = 12;

/** By watch. */
export interface ReferenceFigures {
  differences: Tally[];
  /** of judges; n = 0 without one */
  scores: Tally[];
}

export interface ReferenceOptions extends Omit<SetOptions, 'folder' | 'onBase'> {
  config: RunConfig;
  /** the folder of the run, where one cannot write beside the reference */
  otherwise: string;
  onSample?: ((done: number, old: boolean) => void) | undefined;
}

/** @throws PersonaError BAD_FILE when fewer than two answers could be measured */
export async function screenReference(
  model: ChatModel,
  files: readonly DataFile[],
  { config, otherwise, onSample, ...options }: ReferenceOptions,
): Promise<ReferenceFigures> {
  const found = {
    differences: options.watches.map(() => new Tally()),
    scores: options.watches.map(() => new Tally()),
  };
  const folder = await folderOf(files, { ...config, judged: options.judges !== undefined }, otherwise);
  let done = 0;
  for await (const { logged, old } of screenSet(model, files, { ...options, folder })) {
    addAll(found.differences, differences(logged));
    addAll(found.scores, logged.scores);
    onSample?.(++done, old);
  }
  if (found.differences.some(({ n }) => n < 2))
    throw new PersonaError('BAD_FILE', 'fewer than two answers of the reference could be measured');
  return found;
}

async function folderOf(files: readonly DataFile[], config: RunConfig, otherwise: string): Promise<string> {
  const own = { ...config, data: files.map(({ path }) => path) };
  const name = createHash('sha256').update(JSON.stringify(own)).digest('hex').slice(0, DIGITS);
  const first = files[0]!.path;
  const writable = await access(dirname(first), constants.W_OK).then(
    () => true,
    () => false,
  );
  const folder = writable ? join(`${first}${WORK_FOLDER}`, name) : join(otherwise, `reference-${name}`);
  await openRunFolder(folder, own);
  return folder;
}

/**
 * Clean data of any hand spreads about as far as the data does. A reference that spreads less than this share of it is
 * not merely clean: it is one voice, most often the model's own greedy answers, whose differences are 0 by construction.
 */
const NARROW = 0.05;

/**
 * What is wrong with measuring in deviations of this reference, and what to do about it; undefined where nothing is.
 * @param reference differences of one trait, as `set` @param set of the data
 */
export function narrowReference(name: string, reference: Tally, set: Tally): string | undefined {
  if (!(set.sd > 0) || reference.sd >= NARROW * set.sd) return undefined;
  return (
    `${name}: the reference hardly spreads (${short(reference.sd)}, the data ${short(set.sd)}), as the model's own ` +
    `greedy answers would: z, sd and thresholds relative to it call everything far out. Give clean data that others ` +
    `wrote, or answers drawn at a temperature, or set the threshold as a number.`
  );
}
