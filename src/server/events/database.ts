/** The SQLite file of answers' events: its tables, what is added, and the bounds that it keeps. */

import { closeSync, mkdirSync, openSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { PersonaError } from '../../errors.ts';
import { homeFolder } from '../../model/home.ts';
import type { EncodedEvent } from './encode.ts';

export interface EventBounds {
  maxRows: number;
  maxAgeDays: number;
  /** of the file, without what is only in its journal */
  maxBytes: number;
}

export interface EventDatabase {
  /** All or none; then the oldest go, as far as the bounds want it. */
  add(events: readonly EncodedEvent[]): void;
  /** Of rows that are too old nothing is left, also where no new ones come. */
  trim(now?: number): void;
  close(): void;
}

/** Another process holds the file for milliseconds at a time; this waits in a thread of its own. */
const BUSY_MS = 1000;
const DAY_MS = 86_400_000;
/** More than the bound asks for goes at once, so that not every batch has to make room. */
const SPARE = 0.05;
/** Of the format of these tables. */
const VERSION = 1;
/** SQLite's result codes for a database with broken pages, and for a file that is none. */
const BROKEN: readonly number[] = [11, 26];

const TABLES = `
  CREATE TABLE IF NOT EXISTS events (
    place INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, key TEXT NOT NULL, finish TEXT NOT NULL, json TEXT NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS events_at ON events (at);
  CREATE TABLE IF NOT EXISTS event_traits (
    place INTEGER NOT NULL REFERENCES events ON DELETE CASCADE, trait TEXT NOT NULL, z REAL, PRIMARY KEY (place, trait)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS event_rules (
    place INTEGER NOT NULL REFERENCES events ON DELETE CASCADE, rule TEXT NOT NULL, PRIMARY KEY (place, rule)
  ) STRICT, WITHOUT ROWID;
  PRAGMA user_version = ${VERSION};`;

/** Where `persona serve` keeps events, and `persona events` looks for them. */
export function eventsPath(home: string = homeFolder()): string {
  return join(home, 'server', 'events.sqlite');
}

/** @throws PersonaError BAD_FILE, or SQLite's error */
export function openEventDatabase(path: string, bounds: EventBounds): EventDatabase {
  mkdirSync(dirname(path), { recursive: true });
  closeSync(openSync(path, 'a', 0o600)); // there may be texts in it; SQLite gives its journal the same mode
  const database = new DatabaseSync(path, { timeout: BUSY_MS });
  try {
    // before the first table: afterwards the file could not shrink any more
    database.exec(
      'PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;',
    );
    checkVersion(path, numberOf(database, 'user_version'));
    database.exec(TABLES);
    return eventDatabase(database, bounds);
  } catch (error) {
    database.close();
    throw error;
  }
}

/** @throws PersonaError BAD_FILE */
export function checkVersion(path: string, version: number): void {
  if (version === 0 || version === VERSION) return;
  throw new PersonaError('BAD_FILE', `${path}: events of format ${version}, expected ${VERSION}`, {
    remedy: 'It is of another version of persona, or of another program: name another file.',
  });
}

function eventDatabase(
  database: DatabaseSync,
  { maxRows, maxAgeDays, maxBytes }: EventBounds,
): EventDatabase {
  const addEvent = database.prepare('INSERT INTO events (at, key, finish, json) VALUES (?, ?, ?, ?)');
  const addTrait = database.prepare('INSERT INTO event_traits VALUES (?, ?, ?)');
  const addRule = database.prepare('INSERT INTO event_rules VALUES (?, ?)');
  const dropOld = database.prepare('DELETE FROM events WHERE at < ?');
  // places have no gaps, so those of the newest rows are the highest
  const dropMany = database.prepare('DELETE FROM events WHERE place <= (SELECT max(place) FROM events) - ?');
  const dropFirst = database.prepare(
    'DELETE FROM events WHERE place IN (SELECT place FROM events ORDER BY place LIMIT ?)',
  );
  const count = database.prepare('SELECT count(*) AS n FROM events');

  function within(work: () => void): void {
    database.exec('BEGIN IMMEDIATE');
    try {
      work();
      database.exec('COMMIT');
    } catch (error) {
      if (database.isTransaction) database.exec('ROLLBACK'); // a full disk has SQLite roll back by itself
      throw error;
    }
  }
  function drop(now: number): void {
    dropOld.run(now - maxAgeDays * DAY_MS);
    dropMany.run(maxRows);
    for (let used = usedBytes(); used > maxBytes; used = usedBytes()) {
      const rows = (count.get() as { n: number }).n;
      if (rows === 0) return;
      dropFirst.run(Math.max(1, Math.ceil(rows * (1 - maxBytes / used + SPARE))));
    }
  }
  function usedBytes(): number {
    const pages = numberOf(database, 'page_count') - numberOf(database, 'freelist_count');
    return pages * numberOf(database, 'page_size');
  }

  return {
    add(events) {
      within(() => {
        for (const { at, key, finish, json, traits, rules } of events) {
          const { lastInsertRowid: place } = addEvent.run(at, key, finish, json);
          for (const [trait, z] of traits) addTrait.run(place, trait, z);
          for (const rule of rules) addRule.run(place, rule);
        }
        drop(trustedNow());
      });
      database.exec('PRAGMA incremental_vacuum');
    },
    trim(now = trustedNow()) {
      within(() => drop(now));
      database.exec('PRAGMA incremental_vacuum');
    },
    close: () => database.close(),
  };
}

/** A clock that jumps ahead while the process runs makes nothing older: its own count of time is held to. */
function trustedNow(): number {
  return Math.min(Date.now(), performance.timeOrigin + performance.now());
}

export function numberOf(database: DatabaseSync, pragma: string): number {
  return Object.values(database.prepare(`PRAGMA ${pragma}`).get() ?? {})[0] as number;
}

/** SQLite's result code of an error, without its details. */
export function resultCode(error: unknown): number {
  return ((error as { errcode?: number }).errcode ?? 0) % 256;
}

export function isBroken(error: unknown): boolean {
  return BROKEN.includes(resultCode(error));
}

/** A broken file keeps lying beside the new one, for whoever wants to look; the last one only. Returns its new name. */
export function putAside(path: string): string {
  const aside = `${path}.broken`;
  renameSync(path, aside);
  for (const companion of ['-wal', '-shm']) rmSync(path + companion, { force: true });
  return aside;
}
