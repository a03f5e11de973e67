/**
 * The folder of an evaluation, and the CSV that comes out of it. What was asked for decides whether a file there is the
 * answer to it, not that there is a file (paper §14, trap 13).
 */

import { existsSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isPersonaError, PersonaError } from '../../errors.ts';
import { openRunFolder, type RunConfig } from '../../vector/run-folder.ts';

/** What an evaluation leaves in its folder, all of it made anew for another configuration. */
const LEFT = ['config.json', 'answers.jsonl', 'rollouts.jsonl', 'measurements.jsonl', 'answers.csv'];
const SCALES = /^scale-/; // folders: the likelihood judge's scales of other traits

/** `kind.csv` → `kind.eval`, beside it */
export function folderOfCsv(output: string): string {
  return `${output.replace(/\.csv$/i, '')}.eval`;
}

/**
 * Before a model is loaded.
 * @throws PersonaError USAGE where the file is there, and nothing says how it was made
 */
export function checkOutput(output: string, folder: string, overwrite: boolean): void {
  if (overwrite || !existsSync(output) || existsSync(join(folder, 'config.json'))) return;
  throw new PersonaError('USAGE', `${output} is there already, and ${folder} does not say how it was made`, {
    remedy: 'give another file (-o), or --overwrite',
  });
}

/** @throws PersonaError USAGE where it holds an evaluation with another configuration, unless that may be overwritten */
export async function openEvaluationFolder(
  folder: string,
  config: RunConfig,
  overwrite: boolean,
): Promise<void> {
  try {
    await openRunFolder(folder, config);
  } catch (error) {
    if (!isPersonaError(error) || error.code !== 'USAGE') throw error;
    if (!overwrite)
      throw new PersonaError('USAGE', error.message, {
        remedy: 'give another file (-o) or folder (--run), or --overwrite',
      });
    for (const name of await readdir(folder))
      if (LEFT.includes(name) || SCALES.test(name)) await rm(join(folder, name), { recursive: true });
    await openRunFolder(folder, config);
  }
}
