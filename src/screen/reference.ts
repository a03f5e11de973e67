/** Where the log of a reference is kept: beside it, so that the next data set need not screen it again. */

import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { openRunFolder, type RunConfig } from '../vector/run-folder.ts';
import { type DataFile, WORK_FOLDER } from './read/files.ts';

/** Of the folder's name: what was asked for decides it. */
const DIGITS = 12;

/** @param otherwise the folder of the run, where one cannot write beside the reference */
export async function referenceFolder(
  files: readonly DataFile[],
  config: RunConfig,
  otherwise: string,
): Promise<string> {
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
