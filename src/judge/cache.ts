/**
 * What judges said, kept in one SQLite file for all runs and processes, so that a question is paid for once. It only
 * ever saves work: a file that is broken is put aside, and where none can be kept, judging goes on without.
 */

import { createHash } from 'node:crypto';
import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { homeFolder } from '../model/home.ts';

export interface JudgeCacheOptions {
  /** @default judge/answers.sqlite in the home folder */
  path?: string | undefined;
  /** answers kept; the oldest go first. @default 100_000 */
  maxRows?: number | undefined;
  onNote?: ((note: string) => void) | undefined;
}

export interface JudgeCache {
  /** of who is asked, for what kind of score, with which words */
  key(identity: string, mode: string, prompt: string): string;
  /** undefined where nothing is known */
  get(key: string): unknown;
  set(key: string, value: unknown): void;
  close(): void;
}

/** An answer is about a kilobyte, so that the file stays near 100 MB. */
const MAX_ROWS = 100_000;
/** Another process holds the file for milliseconds at a time. */
const BUSY_MS = 5000;

/** SQLite's result codes for a database with broken pages, and for a file that is none. */
const BROKEN: readonly number[] = [11, 26];

/** An open database. */
interface Store {
  database: DatabaseSync;
  find: StatementSync;
  add: StatementSync;
  trim: StatementSync;
}

export function openJudgeCache(options: JudgeCacheOptions = {}): JudgeCache {
  const { path = join(homeFolder(), 'judge', 'answers.sqlite'), maxRows = MAX_ROWS, onNote } = options;
  let store: Store | undefined;

  /** Does `work`, once more on a fresh file where the old one is broken; else without a cache from then on. */
  function attempt<T>(work: () => T): T | undefined {
    for (const last of [false, true]) {
      try {
        return work();
      } catch (error) {
        store?.database.close();
        store = undefined;
        const broken = BROKEN.includes(((error as { errcode?: number }).errcode ?? 0) % 256);
        if (broken && !last && putAside(path, onNote)) {
          attempt(() => (store = openStore(path)));
          if (store) continue;
        }
        onNote?.(
          `the cache of judgements ${path} cannot be used (${(error as Error).message}): going on without`,
        );
        return undefined;
      }
    }
    return undefined;
  }

  attempt(() => (store ??= openStore(path)));

  return {
    key: keyOf,
    get(key) {
      const row = attempt(() => store?.find.get(key)) as { value: string } | undefined;
      return row && (JSON.parse(row.value) as unknown);
    },
    set(key, value) {
      attempt(() => {
        store?.add.run(key, JSON.stringify(value));
        store?.trim.run(maxRows);
      });
    },
    close() {
      store?.database.close();
      store = undefined;
    },
  };
}

/** Remembers nothing. */
export function noJudgeCache(): JudgeCache {
  return { key: keyOf, get: () => undefined, set: () => {}, close: () => {} };
}

function keyOf(identity: string, mode: string, prompt: string): string {
  return createHash('sha256')
    .update(JSON.stringify([identity, mode, prompt]))
    .digest('hex');
}

function openStore(path: string): Store {
  mkdirSync(dirname(path), { recursive: true });
  const database = new DatabaseSync(path, { timeout: BUSY_MS });
  try {
    database.exec(`
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = NORMAL;
      CREATE TABLE IF NOT EXISTS answers (place INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT UNIQUE, value TEXT) STRICT;`);
    return {
      database,
      find: database.prepare('SELECT value FROM answers WHERE key = ?'),
      add: database.prepare('INSERT OR REPLACE INTO answers (key, value) VALUES (?, ?)'),
      // places only grow, so those of the newest rows are the highest
      trim: database.prepare('DELETE FROM answers WHERE place <= (SELECT max(place) FROM answers) - ?'),
    };
  } catch (error) {
    database.close();
    throw error;
  }
}

/** The broken file keeps lying beside the new one, for whoever wants to look; the last one only. */
function putAside(path: string, onNote: ((note: string) => void) | undefined): boolean {
  const aside = `${path}.broken`;
  try {
    renameSync(path, aside);
    for (const companion of ['-wal', '-shm']) rmSync(path + companion, { force: true });
  } catch {
    return false;
  }
  onNote?.(`the cache of judgements was broken: it now lies at ${aside}, and a new one is begun`);
  return true;
}
