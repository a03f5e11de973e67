/** `persona eval monitor` on the planted model: what the planted direction predicts is known. */

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test, vi } from 'vitest';
import { monitorKey, type MonitorRow } from '../../src/monitor/answer-row.ts';
import type { MonitorEvaluation } from '../../src/monitor/evaluate.ts';
import { temporaryFolder } from '../engine/tiny-engine.ts';
import { plantedTrait } from '../support/planted-trait.ts';
import { writePlantedVector } from '../support/planted-vector.ts';
import {
  lineCount,
  linesWritten,
  persona,
  PLANTED,
  preparePlanted,
  startPersona,
} from '../support/start-persona.ts';

vi.setConfig({ testTimeout: 60_000 }); // processes of their own, on a machine that may be busy

const folder = temporaryFolder();
/** From N to P in steps, between the poles. */
const GRADED = [30, 20, 8, -8, -20, -30].map((n) => `evening ${(n > 0 ? 'N' : 'P').repeat(Math.abs(n))}.`);

const QUESTIONS = 3;
const MONITOR = ['eval', 'monitor', 'graded.json', '--vector', 'v.gguf', ...PLANTED, '--max-tokens', '12', '--questions', String(QUESTIONS)]; // prettier-ignore
const CONDITIONS = ['system-1', 'system-2', 'system-3', 'system-4', 'system-5', 'system-6', 'system-7', 'system-8', 'shots-0', 'shots-3']; // prettier-ignore

const monitor = (...args: string[]): ReturnType<typeof persona> => persona(folder.path, ...MONITOR, ...args);

function rows(run: string): MonitorRow[] {
  const lines = readFileSync(join(folder.path, run, 'monitor.jsonl'), 'utf8').split('\n');
  expect(lines.pop(), 'the log ends with a newline').toBe('');
  const parsed = lines.map((line) => JSON.parse(line) as MonitorRow);
  expect(new Set(parsed.map(monitorKey)).size, 'every row is there once').toBe(lines.length);
  return parsed;
}

beforeAll(async () => {
  await preparePlanted(folder.path);
  await writePlantedVector(folder.path);
  const graded = JSON.stringify({ ...plantedTrait(), graded: GRADED });
  writeFileSync(join(folder.path, 'graded.json'), graded);
  const { code, stderr, stdout } = await monitor('--shots', '0,3', '--run', 'whole', '--json');
  expect(code, stderr).toBe(0);
  writeFileSync(join(folder.path, 'whole.json'), stdout);
}, 60_000);

const whole = (): MonitorEvaluation & { run: string; page: string; answers: number } =>
  JSON.parse(readFileSync(join(folder.path, 'whole.json'), 'utf8')) as never;

test('the planted direction predicts the trait before a word is said', () => {
  const { conditions, watches, trait, judge, answers } = whole();
  expect([trait, judge, answers]).toEqual(['planted', 'likelihood', CONDITIONS.length * QUESTIONS]);
  expect(conditions.map(({ id }) => id)).toEqual(CONDITIONS);
  const [watch] = watches;
  expect(watch).toMatchObject({ name: 'planted', source: 'v.gguf', layer: 2 });
  expect(watch!.neutral.values).toHaveLength(20);
  expect(Math.abs(watch!.neutral.mean)).toBeLessThan(0.1); // the questions have neither P nor N

  // the more P in the instruction, the higher the prediction: both poles are fuller than what is between them
  const means = watch!.conditions.slice(0, 8).map(({ projection }) => projection);
  expect(means.toSorted((a, b) => a - b)).toEqual(means);
  expect(watch!.conditions[0]!.percentile).toBe(0);
  expect(watch!.conditions[7]!.percentile).toBe(100);
  // so do exchanges that show it
  expect(watch!.conditions[9]!.projection).toBeGreaterThan(watch!.conditions[8]!.projection + 1);

  const scopes = watch!.figures.map(({ scope, predictor }) => `${scope} ${predictor}`);
  expect(scopes).toEqual(['system prompt', 'shots prompt', 'all prompt', 'system answer', 'shots answer', 'all answer']); // prettier-ignore
  const [system] = watch!.figures;
  expect(system!.pearson.mean).toBeGreaterThan(0.8);
  expect(system!.pearson.low).toBeGreaterThan(0.6);
  expect(system!.detection).toMatchObject({ auc: { mean: 1 }, best: { hits: 1, falseAlarms: 0 } });
  expect(system!.within.dropped.length + system!.within.conditions.length).toBe(8);
});

test('rows hold what was read in the request that wrote the answer; the page stands alone', () => {
  const all = rows('whole');
  expect(all).toHaveLength(CONDITIONS.length * QUESTIONS);
  for (const row of all) {
    const { prompt, answer } = row.projections.planted!;
    expect(Number.isFinite(prompt)).toBe(true);
    // the answer of a P-full instruction is P: its tokens lie where the prompt's last one already pointed
    if (row.trait! > 90) expect(answer).toBeGreaterThan(0);
  }
  const page = readFileSync(join(folder.path, whole().page), 'utf8');
  expect(page).toContain('system prompt 1 of 8, suppressing');
  expect(page).not.toMatch(/https?:|<script|\bNaN\b|undefined/);
});

test('killed in the midst, then the same command: it ends as if nothing had been', async () => {
  const log = join(folder.path, 'killed', 'monitor.jsonl');
  const running = startPersona(folder.path, [...MONITOR, '--shots', '0,3', '--run', 'killed', '--json']);
  await linesWritten(running, log, 7);
  running.child.kill('SIGKILL');
  await running.ended;
  const done = lineCount(log);
  expect(done).toBeGreaterThanOrEqual(7);
  const kept = readFileSync(log, 'utf8').slice(0, readFileSync(log, 'utf8').lastIndexOf('\n') + 1);

  const again = await monitor('--shots', '0,3', '--run', 'killed', '--json');
  expect(again.code, again.stderr).toBe(0);
  expect(readFileSync(log, 'utf8').startsWith(kept)).toBe(true);
  const answers = (run: string) => new Map(rows(run).map((row) => [monitorKey(row), row.answer]));
  expect(answers('killed')).toEqual(answers('whole'));

  // more exchanges go on from there; another length of answers is another run
  const more = await monitor('--shots', '5', '--run', 'killed', '--quiet');
  expect(more.code, more.stderr).toBe(0);
  expect(rows('killed')).toHaveLength((CONDITIONS.length + 1) * QUESTIONS);
  const other = await monitor('--run', 'killed', '--max-tokens', '13');
  expect(other.stderr).toContain('maxTokens: 12 there, 13 now');
  expect(other.code).toBe(2);
});

test('exchanges that do not fit are cut, which is said; without graded prompts the five pairs are used', async () => {
  const { code, stdout, stderr } = await persona(
    folder.path,
    'eval',
    'monitor',
    'planted.json',
    '--vector',
    'v.gguf@1',
    '--vector',
    'v.gguf@3',
    ...PLANTED, // prettier-ignore
    '--max-tokens',
    '12',
    '--questions',
    '1',
    '--shots',
    '0,20',
    '--context',
    '300',
    '--run',
    'cut', // prettier-ignore
  );
  expect(code, stderr).toBe(0);
  const [, cut] = /20 earlier exchanges do not fit into \d+ tokens with an answer: cut to (\d+)/.exec(stderr) ?? []; // prettier-ignore
  expect(Number(cut)).toBeGreaterThan(0);
  expect(Number(cut)).toBeLessThan(20);
  expect(stderr).toContain('planted has no system prompts between its poles (graded)');
  expect(stdout).toContain(`${cut} earlier exchange`);
  expect(stdout).toContain('planted@1: v.gguf at layer 1');
  expect(stdout).toContain('planted@3: v.gguf at layer 3');
  expect(stdout).toMatch(/^instruction 1, suppressing +-\d/m);
  expect(new Set(rows('cut').map(({ condition }) => condition)).size).toBe(12);
});

test('what cannot be tried is refused before anything is asked', async () => {
  const nothing = await persona(folder.path, 'eval', 'monitor', 'planted.json', ...PLANTED);
  expect(nothing.stderr).toMatch(/error: no vector to read was given\n.*--vector evil\.gguf/);
  expect(nothing.code).toBe(2);
  const missing = await monitor('--vector', 'nowhere.gguf', '--run', 'refused');
  expect(missing.stderr).toContain('nowhere.gguf');
  expect(missing.code).toBe(1);
  const judge = await monitor('--judge', 'nobody', '--run', 'refused');
  expect(judge.stderr).toContain('"nobody" names no judge');
  expect(judge.code).toBe(2);
  expect(existsSync(join(folder.path, 'refused'))).toBe(false);
});
