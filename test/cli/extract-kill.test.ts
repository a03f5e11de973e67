/** `persona extract`, killed in the midst of each step or stopped by Ctrl-C, and run again. */

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Rollout } from '../../src/rollout/rollout.ts';
import { readVector } from '../../src/vector/file.ts';
import { cellKey } from '../../src/vector/sweep.ts';
import type { SteeredAnswer } from '../../src/vector/dose.ts';
import type { PersonaVector } from '../../src/vector/vector.ts';
import { expectClose, temporaryFolder } from '../engine/tiny-engine.ts';
import {
  lineCount,
  linesWritten,
  preparePlanted,
  type Running,
  SMALL,
  startPersona,
} from '../support/start-persona.ts';

const folder = temporaryFolder();

const EXTRACT = [
  'extract',
  'planted.json',
  ...SMALL,
  '--questions',
  '2',
  '--layers',
  '1,2',
  '--layer-dose',
  '0.2',
  '--json',
];
/** two questions under ten instructions and none; at five settings of the layers, of which three serve the coefficients */
const TOTALS = { 'rollouts.jsonl': 22, 'measurements.jsonl': 22, 'sweep.jsonl': 10 };
type Log = keyof typeof TOTALS;

/** Rows by their key; a key that is there twice, or a line that is not whole, is a failure. */
function rows(run: string, file: Log): Map<string, Rollout & SteeredAnswer> {
  const lines = readFileSync(join(folder.path, run, file), 'utf8').split('\n');
  expect(lines.pop(), `${file} ends with a newline`).toBe('');
  const parsed = lines.map((line) => JSON.parse(line) as Rollout & SteeredAnswer);
  const byKey = new Map(parsed.map((row) => [file === 'sweep.jsonl' ? cellKey(row) : row.id, row]));
  expect(byKey.size, `${file} has every row once`).toBe(lines.length);
  return byKey;
}

const vectorOf = (run: string): Promise<PersonaVector> => readVector(join(folder.path, run, 'vector.gguf'));

async function expectSameRun(run: string, whole: string): Promise<void> {
  for (const file of Object.keys(TOTALS) as Log[]) {
    const [own, expected] = [rows(run, file), rows(whole, file)];
    expect([...own.keys()].toSorted(), file).toEqual([...expected.keys()].toSorted());
    expect(own.size).toBe(TOTALS[file]);
    for (const [key, row] of own) expect(row.answer, `${file} ${key}`).toBe(expected.get(key)!.answer);
  }
  const [own, expected] = [await vectorOf(run), await vectorOf(whole)];
  expectClose(own.directions, expected.directions, 1e-5, 'directions');
  expectClose(own.baseline!.mean, expected.baseline!.mean, 1e-5, 'baseline');
  expect(own.quality.counts).toEqual(expected.quality.counts);
  expect([own.layer, own.coefficient]).toEqual([expected.layer, expected.coefficient]);
  for (const kind of ['prompt_avg', 'prompt_last']) {
    const [a, b] = await Promise.all(
      [run, whole].map((at) => readVector(join(folder.path, at, `vector.${kind}.gguf`))),
    );
    expectClose(a!.directions, b!.directions, 1e-5, kind);
  }
}

function start(run: string): Running {
  return startPersona(folder.path, [...EXTRACT, '--run', run]);
}

/** Kills a run once a log has so many lines. On a busy machine it may be past that log by then: another try. */
async function killedInTheMidst(step: string, file: Log, lines: number): Promise<string> {
  for (let attempt = 0; attempt < 5; attempt++) {
    const run = `${step}-${attempt}`;
    const running = start(run);
    const log = join(folder.path, run, file);
    await linesWritten(running, log, lines);
    running.child.kill('SIGKILL');
    const { code, stdout } = await running.ended;
    if (code !== null || lineCount(log) === TOTALS[file]) continue;
    expect(stdout).toBe('');
    return run;
  }
  throw new Error(`no run could be killed in the midst of ${step}`);
}

beforeAll(async () => {
  await preparePlanted(folder.path);
  const { code, stderr } = await start('whole').ended;
  expect(stderr).not.toContain('error');
  expect(code).toBe(0);
}, 60_000);

describe('kill -9', () => {
  test.each([
    ['asking', 'rollouts.jsonl', 9],
    ['judging', 'measurements.jsonl', 9],
    ['steering', 'sweep.jsonl', 4],
  ] as const)(
    'while %s, then the same command: it ends as if nothing had been',
    async (step, file, lines) => {
      const run = await killedInTheMidst(step, file, lines);
      const log = join(folder.path, run, file);
      expect(existsSync(join(folder.path, run, 'vector.gguf'))).toBe(false);
      const before = readFileSync(log, 'utf8');
      const kept = before.slice(0, before.lastIndexOf('\n') + 1);

      const again = await start(run).ended;
      expect(again.code, again.stderr).toBe(0);
      expect(again.stderr).toMatch(/^going on with \d+ rollouts of 22 /m);
      expect(readFileSync(log, 'utf8').startsWith(kept)).toBe(true); // what was done stands
      await expectSameRun(run, 'whole');
    },
  );
});

test('Ctrl-C, which reaches the engine too: a clean word, exit code 130, and a run that goes on', async () => {
  const running = start('stopped');
  await linesWritten(running, join(folder.path, 'stopped', 'rollouts.jsonl'), 5);
  process.kill(-running.child.pid!, 'SIGINT');
  const stopped = await running.ended;
  expect(stopped.code, stopped.stderr).toBe(130);
  expect(stopped.stderr).toContain('Stopping.');
  expect(stopped.stderr).toContain(
    'error: stopped\n  What was done is kept: run the same command again to go on.',
  );
  expect(stopped.stderr).not.toMatch(/engine|crash|at .*\.ts/i);
  expect(JSON.parse(stopped.stdout)).toMatchObject({ error: { code: 'ABORTED' } });
  expect(existsSync(join(folder.path, 'stopped', 'vector.gguf'))).toBe(false);

  expect((await start('stopped').ended).code).toBe(0);
  await expectSameRun('stopped', 'whole');
});
