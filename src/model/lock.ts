/**
 * One process at a time, by a lock that the operating system takes back when its holder dies.
 *
 * A file with a process number in it goes stale, and no way of breaking a stale one is free of races. So the lock is
 * an exclusive SQLite transaction on an empty file: SQLite knows each platform's locking, and a killed holder lets go
 * at once. The file stays behind, empty; removing it would let two processes lock two files of one name.
 */

import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DatabaseSync } from 'node:sqlite';
import { PersonaError } from '../errors.ts';
import { abortedError, throwIfAborted } from './abort.ts';

/** Short against a download, long against the cost of one try (microseconds). */
const retryMs = 200;

const sqliteBusy = 5;

export interface LockOptions {
  signal?: AbortSignal | undefined;
  /** Called once, when somebody else holds the lock. */
  onWait?: (() => void) | undefined;
}

/** Runs `body` while no other process, and no other call of this one, holds the lock at `path`. */
export async function withLock<T>(path: string, options: LockOptions, body: () => Promise<T>): Promise<T> {
  await mkdir(dirname(path), { recursive: true }).catch((cause: Error) => {
    throw cannotLock(path, cause);
  });
  let told = false;
  for (;;) {
    throwIfAborted(options.signal);
    const lock = tryLock(path);
    if (lock) {
      try {
        return await body();
      } finally {
        lock.close();
      }
    }
    if (!told) options.onWait?.();
    told = true;
    await sleep(retryMs, undefined, { signal: options.signal }).catch(() => {
      throw abortedError(options.signal!);
    });
  }
}

function tryLock(path: string): DatabaseSync | undefined {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { timeout: 0 });
    database.exec('BEGIN EXCLUSIVE');
    return database;
  } catch (cause) {
    database?.close();
    if (((cause as { errcode?: number }).errcode ?? 0) % 256 === sqliteBusy) return undefined;
    throw cannotLock(path, cause as Error);
  }
}

function cannotLock(path: string, cause: Error): PersonaError {
  return new PersonaError('DOWNLOAD', `cannot lock ${path}: ${cause.message}`, {
    remedy: 'Set PERSONA_HOME to a folder that can be written, on a disk that supports file locks.',
    cause,
  });
}
