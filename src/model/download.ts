/**
 * One file over HTTP that survives cut connections: what has come is kept beside the target as `.NAME.part`, and the
 * next try, of this process or a later one, asks for the rest by Range. The URL must name content that never changes.
 */

import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, rm, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isPersonaError, PersonaError } from '../errors.ts';
import { abortedError, throwIfAborted } from './abort.ts';
import type { Progress } from './progress.ts';
import { partialPath, requireContent, seal } from './write-verified.ts';

/** Tries in a row that bring not one byte before giving up. */
const maxFruitlessTries = 5;

/** A server's wish to wait is granted up to here. */
const maxRetryAfterMs = 120_000;

export interface DownloadOptions {
  label: string;
  /** What the file must be. */
  bytes?: number | undefined;
  sha256?: string | undefined;
  headers?: Record<string, string>;
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: Progress) => void) | undefined;
  onNote?: ((note: string) => void) | undefined;
  /** What a reader can do about an HTTP status that ends the download. */
  remedyFor?: (status: number) => string | undefined;
  /** @default global fetch */
  fetch?: typeof fetch | undefined;
  /** Silence after which a connection counts as dead. @default 60_000 */
  stallMs?: number | undefined;
  /** First wait between tries; doubles each time. @default 1000 */
  retryMs?: number | undefined;
}

/** What has come so far, on the disk and in the hash. */
interface Arrived {
  file: FileHandle;
  hash: Hash;
  bytes: number;
}

/** A try that failed in a way that another may not. */
class Retry extends Error {
  readonly afterMs: number | undefined;
  constructor(message: string, afterMs?: number) {
    super(message);
    this.afterMs = afterMs;
  }
}

/**
 * Writes the content of `url` to `target`, whole or not at all. One writer at a time: callers hold a lock.
 * @throws PersonaError DOWNLOAD; the partial file is kept for the next time, unless its content is wrong
 */
export async function downloadFile(
  url: string,
  target: string,
  options: DownloadOptions,
): Promise<{ bytes: number; sha256: string }> {
  const temporary = partialPath(target);
  await mkdir(dirname(target), { recursive: true });
  let got: { bytes: number; sha256: string };
  {
    const partial = await openPartial(temporary, options.signal);
    await using _ = partial.file;
    await fetchAll(url, partial, options);
    got = { bytes: partial.bytes, sha256: partial.hash.digest('hex') };
  }
  try {
    requireContent(target, got, options);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await seal(temporary, target);
  return got;
}

async function openPartial(temporary: string, signal: AbortSignal | undefined): Promise<Arrived> {
  const file = await open(temporary, 'a');
  const hash = createHash('sha256');
  let bytes = 0;
  try {
    for await (const chunk of createReadStream(temporary, { signal }) as AsyncIterable<Buffer>) {
      hash.update(chunk);
      bytes += chunk.length;
    }
  } catch (error) {
    await file.close();
    throw signal?.aborted ? abortedError(signal) : error;
  }
  return { file, hash, bytes };
}

async function startAnew(partial: Arrived): Promise<void> {
  await partial.file.truncate(0);
  partial.hash = createHash('sha256');
  partial.bytes = 0;
}

async function fetchAll(url: string, partial: Arrived, options: DownloadOptions): Promise<void> {
  const { label, signal, onNote, retryMs = 1000 } = options;
  let fruitless = 0;
  while (options.bytes === undefined || partial.bytes !== options.bytes) {
    const before = partial.bytes;
    try {
      await fetchRest(url, partial, options);
      return;
    } catch (error) {
      if (signal?.aborted) throw abortedError(signal);
      if (!(error instanceof Retry)) throw error;
      fruitless = partial.bytes > before ? 0 : fruitless + 1;
      if (fruitless >= maxFruitlessTries) {
        throw new PersonaError('DOWNLOAD', `${label}: ${error.message} (${url})`, {
          remedy: `Check the network and run the same command again: it goes on after ${partial.bytes} bytes.`,
          cause: error,
        });
      }
      onNote?.(`${label}: ${error.message}; trying again from byte ${partial.bytes}`);
      const wait = error.afterMs ?? retryMs * 2 ** fruitless;
      await sleep(wait, undefined, { signal }).catch(() => throwIfAborted(signal));
    }
  }
}

/** One request: appends to the partial file until the answer ends. */
async function fetchRest(url: string, partial: Arrived, options: DownloadOptions): Promise<void> {
  const { stallMs = 60_000, fetch: get = fetch } = options;
  const stall = new AbortController();
  const watchdog = setTimeout(() => stall.abort(new Retry(`no data for ${stallMs / 1000} s`)), stallMs);
  try {
    const range = partial.bytes > 0 ? { range: `bytes=${partial.bytes}-` } : undefined;
    const response = await get(url, {
      // A compressed answer would make ranges mean something else.
      headers: { ...options.headers, 'accept-encoding': 'identity', ...range },
      signal: options.signal ? AbortSignal.any([options.signal, stall.signal]) : stall.signal,
    });
    if (response.status === 416) {
      await startAnew(partial);
      throw new Retry('the server has no bytes past what was kept');
    }
    if (!response.ok || !response.body) throw refused(url, response, options);
    if (partial.bytes > 0 && !continuesAt(response, partial.bytes)) await startAnew(partial);
    const length = Number(response.headers.get('content-length') ?? NaN);
    const total = options.bytes ?? (Number.isNaN(length) ? undefined : partial.bytes + length);
    for await (const chunk of response.body) {
      watchdog.refresh();
      await partial.file.appendFile(chunk);
      partial.hash.update(chunk);
      partial.bytes += chunk.length;
      options.onProgress?.({ label: options.label, done: partial.bytes, ...(total && { total }), unit: 'B' });
      if (partial.bytes > (options.bytes ?? Infinity)) return; // wrong already; the caller compares
    }
    if (total !== undefined && partial.bytes < total) throw new Retry('the connection ended early');
  } catch (error) {
    if (error instanceof Retry || isPersonaError(error) || options.signal?.aborted) throw error;
    if (stall.signal.aborted) throw stall.signal.reason;
    if (isDiskError(error)) throw error;
    const cause = (error as Error).cause;
    throw new Retry(cause instanceof Error ? cause.message || String(cause) : (error as Error).message);
  } finally {
    clearTimeout(watchdog);
  }
}

function continuesAt(response: Response, start: number): boolean {
  return (
    response.status === 206 && (response.headers.get('content-range') ?? '').startsWith(`bytes ${start}-`)
  );
}

/** Busy and broken servers are worth another try; every other answer is final. */
function refused(url: string, response: Response, options: DownloadOptions): Error {
  const { status } = response;
  void response.body?.cancel();
  if (status === 408 || status === 429 || status >= 500) {
    const seconds = Number(response.headers.get('retry-after') ?? NaN);
    return new Retry(
      `the server answered ${status}`,
      seconds >= 0 ? Math.min(seconds * 1000, maxRetryAfterMs) : undefined,
    );
  }
  const remedy = options.remedyFor?.(status);
  const code = status === 404 ? 'NOT_FOUND' : 'DOWNLOAD';
  return new PersonaError(
    code,
    `${options.label}: the server answered ${status} (${url})`,
    remedy ? { remedy } : {},
  );
}

/** File system errors name the system call; fetch's carry their code in `cause`. */
function isDiskError(error: unknown): boolean {
  return typeof (error as NodeJS.ErrnoException).syscall === 'string' && 'errno' in (error as object);
}
