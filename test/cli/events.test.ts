import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';
import { expect, test } from 'vitest';
import { openEventStore } from '../../src/server/events/store.ts';
import { anEvent, aSummary } from '../server/an-event.ts';
import { folder } from '../support/folder.ts';
import { PERSONA, runCli } from '../support/run-cli.ts';

test('events are shown, narrowed, and written for other tools', async () => {
  const cwd = folder();
  const db = join(cwd, 'events.sqlite');
  {
    await using store = openEventStore({ path: db });
    const old = new Date(Date.now() - 7_200_000).toISOString();
    store.record(anEvent({ id: 'old', time: old, traits: { evil: aSummary(4) } }));
    store.record(anEvent({ id: 'mild', traits: { evil: aSummary(-0.26) } }));
    const fired = [{ rule: 'calm', action: 'cap', trait: 'evil', at: 2, reading: { raw: 3, z: 2 } }] as const;
    store.record(
      anEvent({ id: 'fallback', finishReason: 'content_filter', traits: { evil: aSummary(undefined, NaN) } }),
    );
    store.record(anEvent({ id: 'high', keyId: 'k1', traits: { evil: aSummary(2.5) }, fired }));
  }
  const events = (...args: string[]) => runCli(PERSONA, ['events', '--db', db, ...args]);

  const shown = await events();
  expect(shown.code).toBe(0);
  expect(shown.stdout.split('\n')[0]).toMatch(
    /^time \(UTC\)\s+key\s+kind\s+tokens\s+ms\s+finish\s+mean z\s+rules/,
  );
  expect(shown.stdout).toMatch(/k1\s+chat\s+5\s+100\s+stop\s+evil \+2\.5σ\s+calm \(cap\)/);
  expect(shown.stdout).toContain('evil −0.3σ');
  expect(shown.stdout).toMatch(/content_filter\s+evil –/);

  const narrowed = await events(
    '--since',
    '1h',
    '--trait',
    'evil',
    '--above',
    '2',
    '--rule',
    'calm',
    '--json',
  );
  expect(JSON.parse(narrowed.stdout)).toMatchObject({ events: [{ id: 'high' }] });

  const parquet = join(cwd, 'out.parquet');
  expect((await events('-o', parquet)).stdout).toContain('4 events in');
  const rows = await parquetReadObjects({ file: await asyncBufferFromFile(parquet) });
  expect(rows.map((row) => [row['id'], row['evil_mean_z']])).toEqual([
    ['old', 4],
    ['mild', -0.26],
    ['fallback', null],
    ['high', 2.5],
  ]);
  const jsonl = join(cwd, 'out.jsonl');
  expect((await events('-o', jsonl, '--key', 'k1')).code).toBe(0);
  expect(readFileSync(jsonl, 'utf8').trim().split('\n')).toHaveLength(1);
});

test('what makes no sense is refused', async () => {
  const db = join(folder(), 'none.sqlite');
  const asked = [['--since', 'yesterday'], ['--above', '2', '--below', '1'], ['-o', 'out.xlsx'], []];
  const ended = await Promise.all(asked.map((args) => runCli(PERSONA, ['events', '--db', db, ...args])));
  expect(ended.map(({ code }) => code)).toEqual([2, 2, 2, 1]);
  expect(ended.at(-1)!.stderr).toContain('no events at');
});
