import { spawn } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';
import { expect, test, vi } from 'vitest';
import { openEventDatabase } from '../../src/server/events/database.ts';
import { encodeEvent } from '../../src/server/events/encode.ts';
import { exportEvents } from '../../src/server/events/export.ts';
import { queryEvents } from '../../src/server/events/query.ts';
import { type EventStoreOptions, openEventStore } from '../../src/server/events/store.ts';
import { folder } from '../support/folder.ts';
import { killAfter } from '../support/kill-child.ts';
import { anEvent, aSummary, collect } from './an-event.ts';

const BOUNDS = { maxRows: 1000, maxAgeDays: 30, maxBytes: 2 ** 30 };
const HOUR = 3_600_000;

async function ids(path: string, query = {}): Promise<string[]> {
  return (await collect(queryEvents(path, query))).map(({ id }) => id);
}

/** A store with these events, closed again. */
async function stored(
  events: readonly ReturnType<typeof anEvent>[],
  options: Partial<EventStoreOptions> = {},
) {
  const path = join(folder(), 'deep', 'events.sqlite');
  await using store = openEventStore({ path, ...options });
  for (const event of events) store.record(event);
  return path;
}

test('an event comes back as it was recorded, with texts only where there are some', async () => {
  const whole = anEvent({
    traits: { evil: aSummary(2.5) },
    fired: [{ rule: 'calm', action: 'cap', trait: 'evil', at: 3, reading: { raw: 4, z: 2.2 } }],
    text: { prompt: 'Who?', answer: 'Me \u{1F600} \0 \ud800' },
  });
  const path = await stored([whole, anEvent({ id: 'b' })]);
  const [first, second] = await collect(queryEvents(path));
  expect(first).toEqual(whole);
  expect(second).not.toHaveProperty('text');
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test('each condition of a query is kept, and all together', async () => {
  const now = Date.now();
  const path = await stored([
    anEvent({
      id: 'old',
      time: new Date(now - 2 * HOUR).toISOString(),
      keyId: 'k1',
      traits: { evil: aSummary(3) },
    }),
    anEvent({ id: 'mild', keyId: 'k1', traits: { evil: aSummary(1), calm: aSummary(-3) } }),
    anEvent({ id: 'high', keyId: 'k2', traits: { evil: aSummary(2.5) }, finishReason: 'policy' }),
    anEvent({ id: 'unknown', traits: { evil: aSummary(undefined) } }),
    anEvent({
      id: 'ruled',
      fired: ['r', 'r', 's'].map((rule) => ({
        rule,
        action: 'log',
        trait: 'evil',
        at: 0,
        reading: { raw: 0, z: 0 },
      })),
    }),
  ]);
  expect(await ids(path)).toEqual(['old', 'mild', 'high', 'unknown', 'ruled']);
  expect(await ids(path, { since: new Date(now - HOUR) })).not.toContain('old');
  expect(await ids(path, { until: new Date(now - HOUR) })).toEqual(['old']);
  expect(await ids(path, { key: 'k1' })).toEqual(['old', 'mild']);
  expect(await ids(path, { trait: 'evil' })).toEqual(['old', 'mild', 'high', 'unknown']);
  expect(await ids(path, { trait: 'evil', above: 2 })).toEqual(['old', 'high']);
  expect(await ids(path, { trait: 'evil', above: 2, since: new Date(now - HOUR) })).toEqual(['high']);
  expect(await ids(path, { below: -2 })).toEqual(['mild']);
  expect(await ids(path, { rule: 's' })).toEqual(['ruled']);
  expect(await ids(path, { finish: 'policy' })).toEqual(['high']);
  expect(await ids(path, { limit: 2 })).toEqual(['unknown', 'ruled']);
  expect(await ids(path, { limit: 1, key: 'k1' })).toEqual(['mild']);
  expect(await ids(path, { limit: 0 })).toEqual([]);
});

test('the newest stay when there are too many rows, too old ones, or too many bytes', async () => {
  const path = join(folder(), 'events.sqlite');
  const many = openEventDatabase(path, { ...BOUNDS, maxRows: 3 });
  for (const id of ['a', 'b', 'c', 'd']) many.add([encodeEvent(anEvent({ id }))]);
  many.close();
  expect(await ids(path)).toEqual(['b', 'c', 'd']);

  const old = openEventDatabase(path, { ...BOUNDS, maxAgeDays: 1 });
  old.add([encodeEvent(anEvent({ id: 'yesterday', time: new Date(Date.now() - 25 * HOUR).toISOString() }))]);
  old.trim();
  expect(await ids(path)).toEqual(['b', 'c', 'd']);
  old.trim(Date.now() + 25 * HOUR);
  old.close();
  expect(await ids(path)).toEqual([]);

  const large = openEventDatabase(path, { ...BOUNDS, maxBytes: 400_000 });
  const traits = { evil: aSummary(1) };
  for (let id = 0; id < 100; id++)
    large.add([
      encodeEvent(anEvent({ id: String(id), traits, text: { prompt: '', answer: 'x'.repeat(10_000) } })),
    ]);
  large.close();
  expect(statSync(path).size).toBeLessThan(450_000);
  const left = await ids(path);
  expect(left.at(-1)).toBe('99');
  expect(left.length).toBeGreaterThan(15);
  using database = new DatabaseSync(path);
  expect(database.prepare('SELECT count(*) AS n FROM event_traits').get()).toEqual({ n: left.length });
});

test('a clock that jumps ahead while the server runs makes no event too old', async () => {
  const path = join(folder(), 'events.sqlite');
  const database = openEventDatabase(path, BOUNDS);
  database.add([encodeEvent(anEvent({ id: 'before', time: new Date().toISOString() }))]);
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 10_000 * HOUR });
  try {
    database.add([encodeEvent(anEvent({ id: 'after', time: new Date().toISOString() }))]);
    database.trim();
  } finally {
    vi.useRealTimers();
  }
  database.close();
  expect(await ids(path)).toEqual(['before', 'after']);
});

// prlimit is Linux's; the limit of a file's size is the nearest thing to a full disk that needs no root
test.runIf(process.platform === 'linux')(
  'on a full disk events wait, and are written when there is room',
  async () => {
    const path = join(folder(), 'events.sqlite');
    const script = fileURLToPath(new URL('../support/record-in-limit.ts', import.meta.url));
    const child = spawn('bash', [
      '-c',
      `ulimit -S -f 400; exec "$0" "$1" "$2"`,
      process.execPath,
      script,
      path,
    ]);
    let problems = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (problems += text));
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
    async function record(length: number): Promise<{ waiting: number; lost: number }> {
      child.stdin.write(`${length}\n`);
      return JSON.parse((await lines.next()).value as string) as { waiting: number; lost: number };
    }
    expect(await record(10)).toEqual({ waiting: 0, lost: 0 });
    expect(await record(1_000_000)).toEqual({ waiting: 1, lost: 0 });
    expect((await record(10)).waiting).toBe(2);
    expect(problems).toContain('wait in memory');
    const freed = spawn('prlimit', ['--fsize=unlimited', '--pid', String(child.pid)]);
    expect((await once(freed, 'exit'))[0]).toBe(0);
    child.stdin.end('end\n');
    expect((await once(child, 'close'))[0]).toBe(0);
    expect(problems).toContain('written again');
    expect(problems).not.toContain('lost');
    expect(await ids(path)).toEqual(['0', '1', '2']);
  },
);

test('a locked file holds up nobody; what waited is written afterwards, in order and once', async () => {
  const path = await stored([anEvent({ id: 'before' })]);
  const problems: string[] = [];
  const store = openEventStore({ path, onProblem: (problem) => problems.push(problem) });
  const other = new DatabaseSync(path);
  other.exec('BEGIN IMMEDIATE');
  const begun = performance.now();
  for (let i = 0; i < 250; i++) store.record(anEvent({ id: String(i) }));
  expect(performance.now() - begun).toBeLessThan(200);
  let ticks = 0;
  const ticking = setInterval(() => ticks++, 10);
  await store.flush(); // one try, that waits a second in the writer's thread
  clearInterval(ticking);
  expect(ticks).toBeGreaterThan(40);
  expect(store.waiting()).toBe(250);
  expect(problems.filter((text) => text.includes('wait in memory'))).toHaveLength(1);
  other.close();
  await store[Symbol.asyncDispose]();
  expect(await ids(path)).toEqual(['before', ...Array.from({ length: 250 }, (_, i) => String(i))]);
  expect(store.lost()).toBe(0);
});

test('what memory cannot hold is counted and told', async () => {
  const path = join(folder(), 'a-file', 'events.sqlite');
  const problems: string[] = [];
  let lost = 0;
  writeFileSync(join(path, '..', '..', 'a-file'), '');
  const onLost = (events: number): void => void (lost += events);
  const store = openEventStore({
    path,
    onLost,
    closeMs: 300,
    onProblem: (problem) => problems.push(problem),
  });
  for (let i = 0; i < 10_005; i++) store.record(anEvent());
  expect(store.lost()).toBe(5);
  expect(store.waiting()).toBe(10_000);
  const circular = anEvent() as unknown as Record<string, unknown>;
  circular['self'] = circular;
  store.record(circular as never); // never throws
  expect(lost).toBe(6);
  expect(problems.some((text) => text.includes('1 event lost'))).toBe(true);
  await store[Symbol.asyncDispose]();
  expect(lost).toBe(10_006);
  expect(problems.at(-1)).toContain('10006 events were lost');
});

test('a broken file is put aside, and events go on', async () => {
  const path = join(folder(), 'events.sqlite');
  writeFileSync(path, 'this is no database, and long enough that it shows'.repeat(50));
  const problems: string[] = [];
  {
    await using store = openEventStore({ path, onProblem: (problem) => problems.push(problem) });
    store.record(anEvent({ id: 'new' }));
  }
  expect(await ids(path)).toEqual(['new']);
  expect(readFileSync(`${path}.broken`, 'utf8')).toContain('no database');
  expect(problems).toEqual([expect.stringContaining('.broken')]);
});

test('kill -9 loses at most what was not yet written, and the file reads', async () => {
  const path = join(folder(), 'events.sqlite');
  const seen = await killAfter(5, './record-forever.ts', path);
  const found = await ids(path);
  expect(found.length).toBeGreaterThanOrEqual(seen.length * 100);
  expect(found.length % 100).toBe(0); // whole batches
  expect(found.slice(0, 2)).toEqual(['0.0', '0.1']);
  expect(new Set(found).size).toBe(found.length);
  await using store = openEventStore({ path });
  store.record(anEvent({ id: 'after' }));
  await store.flush();
  expect((await ids(path)).at(-1)).toBe('after');
});

test('one event is written soon, without anybody asking', async () => {
  const path = join(folder(), 'events.sqlite');
  await using store = openEventStore({ path });
  store.record(anEvent({ id: 'alone' }));
  for (let tries = 0; store.waiting() > 0 && tries < 100; tries++) await sleep(50);
  expect(await ids(path)).toEqual(['alone']);
});

test('a reader that stops half way, or is slow, hinders no writer', async () => {
  const path = await stored(Array.from({ length: 1200 }, (_, i) => anEvent({ id: String(i) })));
  const problems: string[] = [];
  await using store = openEventStore({ path, onProblem: (problem) => problems.push(problem) });
  let read = 0;
  for await (const { id } of queryEvents(path)) {
    if (read++ === 0) {
      store.record(anEvent({ id: 'meanwhile' }));
      await store.flush();
    }
    if (id === 'meanwhile') break;
  }
  expect(read).toBe(1201);
  for await (const _ of queryEvents(path)) break;
  expect(problems).toEqual([]);
});

test('no file, another format, and no database are errors that say so', async () => {
  const path = join(folder(), 'events.sqlite');
  await expect(ids(path)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  writeFileSync(path, 'no database '.repeat(100));
  await expect(ids(path)).rejects.toMatchObject({ code: 'BAD_FILE' });
  const other = join(folder(), 'events.sqlite');
  using database = new DatabaseSync(other);
  database.exec('PRAGMA user_version = 7');
  await expect(ids(other)).rejects.toMatchObject({ code: 'BAD_FILE' });
  const problems: string[] = [];
  const store = openEventStore({ path: other, onProblem: (problem) => problems.push(problem) });
  await store[Symbol.asyncDispose]();
  expect(problems[0]).toContain('format 7');
});

test('JSONL holds the events, Parquet flat columns of them', async () => {
  const event = anEvent({
    time: '2030-05-01T10:20:30.400Z',
    policy: 'strict',
    traits: { evil: aSummary(2.5, 7) },
    fired: [{ rule: 'calm', action: 'log', trait: 'evil', at: 0, reading: { raw: 1, z: 1 } }],
    text: { prompt: 'Who?', answer: 'Me' },
  });
  const path = await stored([
    event,
    anEvent({ id: 'b', traits: { calm: aSummary(undefined) }, firstTokenMs: undefined }),
  ]);
  const jsonl = join(folder(), 'new', 'events.jsonl');
  expect(await exportEvents(jsonl, path)).toBe(2);
  expect(JSON.parse(readFileSync(jsonl, 'utf8').split('\n')[0]!)).toEqual(JSON.parse(JSON.stringify(event)));

  const parquet = join(folder(), 'events.parquet');
  expect(await exportEvents(parquet, path)).toBe(2);
  const [first, second] = await parquetReadObjects({ file: await asyncBufferFromFile(parquet) });
  expect(first).toMatchObject({
    id: 'chatcmpl-1',
    time: new Date('2030-05-01T10:20:30.400Z'),
    policy: 'strict',
    stream: false,
    completion_tokens: 5,
    evil_layer: 3,
    evil_mean: 7,
    evil_mean_z: 2.5,
    evil_prompt_z: -0.5,
    prompt: 'Who?',
    answer: 'Me',
  });
  expect(JSON.parse(first!['fired'] as string)).toEqual(event.fired);
  expect(second).toMatchObject({
    id: 'b',
    first_token_ms: null,
    calm_mean: 1,
    calm_mean_z: null,
    evil_mean_z: null,
    answer: null,
  });

  const none = join(folder(), 'none.parquet');
  expect(await exportEvents(none, path, { key: 'nobody' })).toBe(0);
  expect(await parquetReadObjects({ file: await asyncBufferFromFile(none) })).toEqual([]);
  await expect(exportEvents('events.xlsx', path)).rejects.toMatchObject({ code: 'USAGE' });
});
