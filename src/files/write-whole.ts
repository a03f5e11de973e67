/**
 * Writes a file whole or not at all: a reader, or a run that goes on after a power cut, finds the old text or the new
 * one, never half of it. The new text goes to a temporary name in the same folder, reaches the disk, and takes the
 * file's name in one step.
 */

import { randomBytes } from 'node:crypto';
import { mkdir, open, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileProblem } from './file-problem.ts';

export interface WriteWholeOptions {
  /** permissions, such as 0o600 for what only its owner may read. @default those of the old file, else the usual ones */
  mode?: number;
}

/** Missing folders on the way are made; a link is followed; a pipe or device is written straight. */
export async function writeWhole(
  path: string,
  data: string | Uint8Array,
  options: WriteWholeOptions = {},
): Promise<void> {
  try {
    const old = await stat(path).catch(absent);
    if (old !== undefined && !old.isFile()) return await writeFile(path, data);
    const target = old === undefined ? path : await realpath(path);
    const folder = dirname(target);
    await mkdir(folder, { recursive: true });
    await replace(target, folder, data, options.mode ?? old?.mode);
  } catch (error) {
    throw fileProblem('write', path, error);
  }
}

/** A file that has its name only when it is finished. */
export interface WholeFile extends AsyncDisposable {
  /** where to write until then */
  readonly temporary: string;
  /** Gives the file its name. Without it, disposal leaves what was there before. */
  finish(): Promise<void>;
}

/** For what is too large to be in memory. Missing folders on the way are made. */
export async function beginWhole(path: string): Promise<WholeFile> {
  const folder = dirname(path);
  const temporary = join(folder, `.${randomBytes(8).toString('hex')}.tmp`);
  try {
    await mkdir(folder, { recursive: true });
  } catch (error) {
    throw fileProblem('write', path, error);
  }
  return {
    temporary,
    async finish() {
      try {
        const file = await open(temporary, 'r+');
        try {
          await file.sync();
        } finally {
          await file.close();
        }
        await rename(temporary, path);
        await syncFolder(folder);
      } catch (error) {
        throw fileProblem('write', path, error);
      }
    },
    [Symbol.asyncDispose]: () => rm(temporary, { force: true }),
  };
}

async function replace(
  target: string,
  folder: string,
  data: string | Uint8Array,
  mode?: number,
): Promise<void> {
  const temporary = join(folder, `.${randomBytes(8).toString('hex')}.tmp`);
  try {
    const file = await open(temporary, 'wx');
    try {
      if (mode !== undefined) await file.chmod(mode & 0o777);
      await file.writeFile(data);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncFolder(folder);
}

/** Without it a power cut may take back the rename. Windows cannot open folders, and does not need it. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}
