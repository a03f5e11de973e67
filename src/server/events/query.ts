/** Reads events back, in the order in which they were written, while a server goes on writing. */

import { existsSync } from 'node:fs';
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import { PersonaError } from '../../errors.ts';
import type { AnswerEvent } from '../contracts.ts';
import { checkVersion, numberOf, resultCode } from './database.ts';

export interface EventQuery {
  /** of the request, inclusive */
  since?: Date | undefined;
  /** exclusive */
  until?: Date | undefined;
  /** id of a key */
  key?: string | undefined;
  trait?: string | undefined;
  /** bounds of the answer's mean in standard deviations: of `trait`, or of any trait */
  above?: number | undefined;
  below?: number | undefined;
  /** that fired */
  rule?: string | undefined;
  finish?: string | undefined;
  /** only the newest ones. @default all */
  limit?: number | undefined;
  /** only up to this place, as `eventsOverview` gave it */
  upTo?: number | undefined;
}

/** Read at a time: a reader that is slow must not hold the file, or its journal could not be emptied. */
const PAGE = 500;
const BUSY_MS = 5000;

/** @throws PersonaError NOT_FOUND, BAD_FILE */
export async function* queryEvents(path: string, query: EventQuery = {}): AsyncGenerator<AnswerEvent> {
  using database = openToRead(path);
  const { where, values } = conditions(query);
  const page = database.prepare(
    `SELECT place, json FROM events WHERE ${where} AND place > ? ORDER BY place LIMIT ?`,
  );
  let after = startOf(database, query) - 1;
  for (;;) {
    const rows = page.all(...values, after, PAGE) as unknown as { place: number; json: string }[];
    for (const { json } of rows) yield JSON.parse(json) as AnswerEvent;
    if (rows.length < PAGE) return;
    after = rows.at(-1)!.place;
  }
}

export interface EventsOverview {
  /** all that occur, in order */
  traits: string[];
  /** the last one there is now */
  upTo: number;
}

/** What a table of the events would have to hold. */
export function eventsOverview(path: string, query: EventQuery = {}): EventsOverview {
  using database = openToRead(path);
  const { where, values } = conditions(query);
  const { upTo } = database.prepare('SELECT ifnull(max(place), 0) AS upTo FROM events').get() as {
    upTo: number;
  };
  const traits = database
    .prepare(
      `SELECT DISTINCT trait FROM event_traits JOIN events USING (place) WHERE ${where} AND place BETWEEN ? AND ? ORDER BY trait`,
    )
    .all(...values, startOf(database, query), upTo) as unknown as { trait: string }[];
  return { traits: traits.map(({ trait }) => trait), upTo };
}

function openToRead(path: string): DatabaseSync {
  if (!existsSync(path))
    throw new PersonaError('NOT_FOUND', `no events at ${path}`, {
      remedy: 'persona serve writes them as it answers; name its file with --db.',
    });
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { readOnly: true, timeout: BUSY_MS });
    checkVersion(path, numberOf(database, 'user_version'));
    database.prepare('SELECT 1 FROM events LIMIT 1').get();
    return database;
  } catch (error) {
    database?.close();
    if (resultCode(error) === 0) throw error;
    throw new PersonaError('BAD_FILE', `${path}: not a file of events: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** The place of the oldest event that is wanted. */
function startOf(database: DatabaseSync, query: EventQuery): number {
  if (query.limit === undefined) return 0;
  if (query.limit < 1) return Number.MAX_SAFE_INTEGER;
  const { where, values } = conditions(query);
  const row = database
    .prepare(`SELECT place FROM events WHERE ${where} ORDER BY place DESC LIMIT 1 OFFSET ?`)
    .get(...values, query.limit - 1) as { place: number } | undefined;
  return row?.place ?? 0;
}

function conditions(query: EventQuery): { where: string; values: SQLInputValue[] } {
  const parts: [sql: string, ...values: SQLInputValue[]][] = [['1']];
  const { since, until, key, trait, above, below, rule, finish, upTo } = query;
  if (since !== undefined) parts.push(['at >= ?', since.getTime()]);
  if (until !== undefined) parts.push(['at < ?', until.getTime()]);
  if (key !== undefined) parts.push(['key = ?', key]);
  if (finish !== undefined) parts.push(['finish = ?', finish]);
  if (upTo !== undefined) parts.push(['place <= ?', upTo]);
  if (trait !== undefined || above !== undefined || below !== undefined) {
    const of: typeof parts = [['t.place = events.place']];
    if (trait !== undefined) of.push(['t.trait = ?', trait]);
    if (above !== undefined) of.push(['t.z > ?', above]);
    if (below !== undefined) of.push(['t.z < ?', below]);
    parts.push([
      `EXISTS (SELECT 1 FROM event_traits t WHERE ${joined(of)})`,
      ...of.flatMap(([, ...values]) => values),
    ]);
  }
  if (rule !== undefined)
    parts.push(['EXISTS (SELECT 1 FROM event_rules r WHERE r.place = events.place AND r.rule = ?)', rule]);
  return { where: joined(parts), values: parts.flatMap(([, ...values]) => values) };
}

function joined(parts: readonly [sql: string, ...unknown[]][]): string {
  return parts.map(([sql]) => sql).join(' AND ');
}
