/**
 * Streams that become files whole or not at all, and only when they are what they should be: written under a temporary name in the same folder, checked, flushed to the
 * disk, then renamed.
 */

import { createHash } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { PersonaError } from '../errors.ts';
import { throwIfAborted } from './abort.ts';

export interface WriteVerifiedOptions {
  /** What the content must be; a difference is an error, and nothing is left behind. */
  bytes?: number;
  sha256?: string;
  signal?: AbortSignal | undefined;
  onBytes?: (written: number) => void;
}

/** The name that a file has until it is whole. One writer at a time: callers hold a lock. */
export function partialPath(target: string): string {
  return join(dirname(target), `.${basename(target)}.part`);
}

/** @throws PersonaError DOWNLOAD when the content is not what was expected */
export async function writeVerified(
  target: string,
  chunks: AsyncIterable<Uint8Array>,
  options: WriteVerifiedOptions = {},
): Promise<{ bytes: number; sha256: string }> {
  const { signal, onBytes } = options;
  const temporary = partialPath(target);
  const hash = createHash('sha256');
  let bytes = 0;
  try {
    await using file = await open(temporary, 'w');
    for await (const chunk of chunks) {
      throwIfAborted(signal);
      bytes += chunk.length;
      if (bytes > (options.bytes ?? Infinity)) break; // already wrong: do not fill the disk
      hash.update(chunk);
      await file.writeFile(chunk);
      onBytes?.(bytes);
    }
    const sha256 = hash.digest('hex');
    requireContent(target, { bytes, sha256 }, options);
    await seal(temporary, target);
    return { bytes, sha256 };
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** Flushes `temporary` to the disk and gives it its real name. */
export async function seal(temporary: string, target: string): Promise<void> {
  {
    await using file = await open(temporary, 'r+');
    await file.sync();
  }
  await rename(temporary, target);
  if (process.platform === 'win32') return; // a folder cannot be opened there
  await using folder = await open(dirname(target), 'r');
  await folder.sync();
}

/** @throws PersonaError DOWNLOAD that says what was expected and what came */
export function requireContent(
  target: string,
  got: { bytes: number; sha256: string },
  expected: { bytes?: number | undefined; sha256?: string | undefined },
): void {
  const file = basename(target);
  const remedy =
    'Nothing was kept. Try again; if it repeats, the source has changed or something on the way alters it.';
  if (expected.bytes !== undefined && got.bytes !== expected.bytes) {
    const count = got.bytes > expected.bytes ? `more than that` : `${got.bytes} bytes`;
    throw new PersonaError('DOWNLOAD', `${file}: expected ${expected.bytes} bytes, got ${count}`, { remedy });
  }
  if (expected.sha256 !== undefined && got.sha256 !== expected.sha256) {
    throw new PersonaError('DOWNLOAD', `${file}: expected sha256 ${expected.sha256}, got ${got.sha256}`, {
      remedy,
    });
  }
}
