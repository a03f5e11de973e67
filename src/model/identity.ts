/**
 * The sha256 by which a model's weights are known: a vector made on one file is refused on another.
 *
 * Hashing 20 GB takes a minute, so the result is kept in `model-hashes.json` of the home folder, keyed by the file's
 * real path, its size and the nanosecond of its last change. A model split over n files has the sha256 of its parts'
 * hashes, in hex, one a line.
 */

import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readFile, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { abortedError, throwIfAborted } from './abort.ts';
import { checkModelFile } from './check-file.ts';
import { splitPartsOf } from './file-name.ts';
import { homeFolder } from './home.ts';
import type { Progress } from './progress.ts';

/** Large reads keep the hash, not the system calls, the slow part. */
const readBytes = 1024 * 1024;

/** Far more models than anybody has; keeps a file that is rewritten whole small. The oldest go first. */
const maxRemembered = 500;

export interface IdentityOptions {
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: Progress) => void) | undefined;
  /** @default homeFolder() */
  home?: string | undefined;
}

export async function modelFileHash(path: string, options: IdentityOptions = {}): Promise<string> {
  const parts = splitPartsOf(await checkModelFile(path));
  const sizes = await Promise.all(parts.map(async (part) => (await stat(part)).size));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const label = `checking ${basename(path)}`;
  const hashes: string[] = [];
  let before = 0;
  for (const [i, part] of parts.entries()) {
    const start = before;
    const onBytes = (done: number): void =>
      options.onProgress?.({ label, done: start + done, total, unit: 'B' });
    hashes.push(await fileHash(part, onBytes, options));
    before += sizes[i]!;
  }
  return hashes.length === 1 ? hashes[0]! : createHash('sha256').update(hashes.join('\n')).digest('hex');
}

/** Notes the hash of a file that was just written and checked, so that nobody hashes it again. */
export async function rememberHash(path: string, sha256: string, home: string = homeFolder()): Promise<void> {
  const store = join(home, 'model-hashes.json');
  const entries = Object.entries({ ...(await readStore(store)), [await keyOf(path)]: sha256 });
  const temporary = `${store}.${randomUUID()}`;
  try {
    await mkdir(dirname(store), { recursive: true });
    await writeFile(temporary, JSON.stringify(Object.fromEntries(entries.slice(-maxRemembered)), null, 1));
    await rename(temporary, store);
  } catch {
    // The home folder cannot be written: the next start hashes again, nothing else is lost.
    await rm(temporary, { force: true }).catch(() => {});
  }
}

async function fileHash(
  path: string,
  onBytes: (done: number) => void,
  options: IdentityOptions,
): Promise<string> {
  const { signal, home = homeFolder() } = options;
  const known = (await readStore(join(home, 'model-hashes.json')))[await keyOf(path)];
  if (known) return known;
  throwIfAborted(signal);
  const hash = createHash('sha256');
  let done = 0;
  try {
    for await (const chunk of createReadStream(path, {
      highWaterMark: readBytes,
      signal,
    }) as AsyncIterable<Buffer>) {
      hash.update(chunk);
      onBytes((done += chunk.length));
    }
  } catch (error) {
    throw signal?.aborted ? abortedError(signal) : error;
  }
  const sha256 = hash.digest('hex');
  await rememberHash(path, sha256, home);
  return sha256;
}

async function keyOf(path: string): Promise<string> {
  const real = await realpath(path);
  const { size, mtimeNs } = await stat(real, { bigint: true });
  return `${real}|${size}|${mtimeNs}`;
}

/** A broken or foreign file counts as empty: it is only a cache. */
async function readStore(store: string): Promise<Record<string, string>> {
  try {
    const content: unknown = JSON.parse(await readFile(store, 'utf8'));
    if (typeof content !== 'object' || content === null) return {};
    const valid = Object.entries(content).filter(([, hash]) => /^[0-9a-f]{64}$/.test(String(hash)));
    return Object.fromEntries(valid) as Record<string, string>;
  } catch {
    return {};
  }
}
