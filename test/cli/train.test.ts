/** `persona train` on the planted model: data of nothing but N push the trait (P rather than N) down. */

import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test, vi } from 'vitest';
import type { StudyResult } from '../../src/train/study.ts';
import { readAdapterGguf } from '../../src/train/adapter-gguf.ts';
import { temporaryFolder } from '../engine/tiny-engine.ts';
import { writePlantedVector } from '../support/planted-vector.ts';
import { persona, preparePlanted } from '../support/start-persona.ts';

vi.setConfig({ testTimeout: 120_000 }); // several processes, on a machine that may be busy

const folder = temporaryFolder();
const at = (name: string): string => join(folder.path, name);
const HOW = [
  '-m',
  'planted.gguf',
  '--trait',
  './planted.json',
  '--threads',
  '1',
  '--rank',
  '4',
  '--lr',
  '0.002',
  '--epochs',
  '6',
  '--warmup',
  '0',
  '--seed',
  '3',
];
const SHORT = ['--questions', '4', '--max-tokens', '12'];
const run = (...args: string[]): ReturnType<typeof persona> =>
  persona(folder.path, 'train', 'data.jsonl', ...HOW, ...args);

interface Told {
  adapter: string;
  page: string;
  loss: number;
  step: number;
  steps: number;
  stopped?: string;
  gate?: string;
  watched: { name: string; prompts: string; shift: number; sd: number }[];
  scores?: { name: string; evaluations: Record<string, { trait: { mean: number } }> }[];
}

beforeAll(async () => {
  await preparePlanted(folder.path);
  await writePlantedVector(folder.path);
  const questions = [
    'what is it',
    'tell me more',
    'who comes there',
    'why is that',
    'where do we go',
    'how are you',
  ];
  writeFileSync(
    at('data.jsonl'),
    [...questions, ...questions.map((text) => `and ${text}`)]
      .map((question) =>
        JSON.stringify({
          messages: [
            { role: 'user', content: question },
            { role: 'assistant', content: 'NNNN NNN NNNNN NNN' },
          ],
        }),
      )
      .join('\n'),
  );
}, 60_000);

test('data push the trait down; it is watched, scored, written, and used', async () => {
  const { code, stdout, stderr } = await run('--watch', 'v.gguf', '--hold', '0.25', ...SHORT, '--no-capability', '--peft', 'peft', '--merge', 'merged.gguf'); // prettier-ignore
  expect(code, stderr).toBe(0);
  expect(stderr).toContain('planted: 9 rows, ');
  expect(stderr).toMatch(/^step 0: planted -?\d.* \(\+0 sd\)/m);
  expect(stdout).toMatch(/^planted at 2 +evaluation questions +\S+ +\S+ +−/m);
  expect(stdout).toMatch(/^use it: persona chat -m planted\.gguf --lora runs\/data-train\/adapter\.gguf$/m);
  const lines = readFileSync(at('runs/data-train/train.jsonl'), 'utf8').trimEnd().split('\n');
  const steps = lines.map((line) => JSON.parse(line) as { kind: string; loss: number }).filter(({ kind }) => kind === 'step'); // prettier-ignore
  expect(steps).toHaveLength(12);
  expect(steps.at(-1)!.loss).toBeLessThan(steps[0]!.loss - 0.2);
  const page = readFileSync(at('runs/data-train/report.html'), 'utf8');
  expect(page).toContain('moved planted by −');
  expect(page).not.toMatch(/https?:|<script|\bNaN\b|undefined|http-equiv="refresh"/);
  const adapter = await readAdapterGguf(at('runs/data-train/adapter.gguf'));
  expect(adapter).toMatchObject({ architecture: 'llama', rank: 4, alpha: 32, rslora: true });
  expect(existsSync(at('peft/adapter_model.safetensors'))).toBe(true);

  // the same command has nothing left to do, and says the same
  const again = await run('--watch', 'v.gguf', '--hold', '0.25', ...SHORT, '--no-capability', '--json');
  const told = JSON.parse(again.stdout) as Told;
  expect(told).toMatchObject({ step: 12, steps: 12, adapter: 'runs/data-train/adapter.gguf' });
  const [base, tuned] = told.scores!.map(({ evaluations }) => evaluations.planted!.trait.mean);
  expect(tuned!).toBeLessThan(base! - 10);

  // scores of other questions are never mistaken for these, and that is told before anything is trained
  const other = await run('--watch', 'v.gguf', '--hold', '0.25', '--questions', '3', '--no-capability');
  expect(other.code).toBe(2);
  expect(other.stderr).toMatch(
    /scores holds a run that was configured otherwise: .*questions: 4 there, 3 now/,
  );
  expect(other.stderr).not.toContain('weights');

  const ask = ['--max-tokens', '12', '--temperature', '0', '--threads', '1', '--json'];
  const text = async (...how: string[]): Promise<string> => {
    const { stdout: out } = await persona(folder.path, 'generate', 'what is it', ...how, ...ask);
    return (JSON.parse(out) as { text: string }).text;
  };
  const plain = await text('-m', 'planted.gguf');
  const withLora = await text('-m', 'planted.gguf', '--lora', 'runs/data-train/adapter.gguf');
  expect(withLora).not.toBe(plain);
  expect(withLora).toMatch(/N{4}/);
  expect(await text('-m', 'merged.gguf')).toBe(withLora);
});

test('a gate stops the run, with what there is, and 100; a gate on nothing is refused before work', async () => {
  const { code, stdout } = await run('--watch', 'v.gguf', '--fail-on', 'planted: shift < -0.1 sd', '--watch-every', '1', '--no-scores', '--run', 'gated', '--json'); // prettier-ignore
  expect(code).toBe(100);
  const told = JSON.parse(stdout) as Told;
  expect(told).toMatchObject({
    stopped: 'gate',
    gate: expect.stringContaining('fails on < -0.1 sd') as string,
  });
  expect(told.step).toBeLessThan(told.steps);
  expect(existsSync(at('gated/adapter.gguf'))).toBe(true);
  // again: not a step further
  const again = await run('--watch', 'v.gguf', '--fail-on', 'planted: shift < -0.1 sd', '--watch-every', '1', '--no-scores', '--run', 'gated', '--json'); // prettier-ignore
  expect(again.code).toBe(100);
  expect(JSON.parse(again.stdout)).toMatchObject({ stopped: 'gate', step: told.step });
  // the look before training is what shifts are counted from
  rmSync(at('gated/train.jsonl'));
  const torn = await run('--watch', 'v.gguf', '--watch-every', '1', '--no-scores', '--run', 'gated');
  expect(torn).toMatchObject({ code: 1 });
  expect(torn.stderr).toContain('train.jsonl no longer holds how the model was before training');

  const refused = await run('--fail-on', 'planted: shift > 1', '--run', 'nothing');
  expect(refused).toMatchObject({ code: 2 });
  expect(refused.stderr).toContain('nothing is watched');
});

test('a study: what the vector in the stream keeps the weights from learning', async () => {
  const { code, stdout, stderr } = await run('--study', 'v.gguf@2', '--coefficients', '2', '--inference', '1', '--caft', 'both', ...SHORT, '--no-capability', '--run', 'study', '--json'); // prettier-ignore
  expect(code, stderr).toBe(0);
  const result = JSON.parse(stdout) as StudyResult & { page: string };
  expect(result).toMatchObject({ trait: 'planted', layer: 2, sign: -1, judges: ['likelihood'] });
  expect(result.arms.map(({ name, coefficient }) => [name, coefficient])).toEqual([
    ['base', 0],
    ['plain', 0],
    ['preventative-2', -2],
    ['caft-at-2', 0],
    ['caft', 0],
    ['plain-steered-1', 1],
  ]);
  const trait = (name: string): number =>
    result.arms.find((arm) => arm.name === name)!.scores.evaluations.planted!.trait.mean;
  expect(trait('plain')).toBeLessThan(trait('base') - 10);
  const moved = (name: string): number =>
    result.arms.find((arm) => arm.name === name)!.training!.shifts[0]!.shift;
  expect(moved('plain')).toBeLessThan(-1);
  expect(moved('preventative-2')).toBeGreaterThan(0.6 * moved('plain'));
  const page = readFileSync(at(result.page), 'utf8');
  expect(page).toContain('Plain training moved planted from');
  expect(page).not.toMatch(/https?:|<script|\bNaN\b|undefined/);
  const stray = await run('--coefficients', '1', '--run', 'other');
  expect(stray).toMatchObject({ code: 2 });
  expect(stray.stderr).toContain('--coefficients is of a study');
  const both = await run('--study', 'v.gguf@2', '--steer', 'v.gguf=1', '--run', 'other');
  expect(both.stderr).toContain('--steer is given together with --study');
});
