/** `persona extract` and `persona sweep` with judges of the user's: one that filters and chooses, others that only score. */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { readVector } from '../../src/vector/file.ts';
import { folder } from '../support/folder.ts';
import { lineCount, persona, preparePlanted, SMALL } from '../support/start-persona.ts';

vi.setConfig({ testTimeout: 60_000 }); // processes of their own, on a machine that may be busy

/** Scores the share of P among P and N; the other one is of the opposite mind. */
const JUDGES = {
  'share.mjs': `export default ({ answer }) => {
    const [p, n] = ['P', 'N'].map((letter) => answer.split(letter).length - 1)
    return { trait: p + n === 0 ? 50 : 100 * p / (p + n), coherence: 90 }
  }`,
  'against.mjs': `export default ({ answer, trait }) => trait.name === 'planted' && answer.includes('P') ? 0 : 100`,
  'strict.mjs': `export default () => ({ trait: 100, coherence: 100 })`,
};

async function prepared(): Promise<string> {
  const cwd = folder();
  await preparePlanted(cwd);
  for (const [file, text] of Object.entries(JUDGES)) writeFileSync(join(cwd, file), text);
  return cwd;
}

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
  '--run',
  'run',
];

test('the first judge filters and chooses, the second only scores; both stand in the vector and its page', async () => {
  const cwd = await prepared();
  const { code, stdout, stderr } = await persona(
    cwd,
    ...EXTRACT,
    '--judge',
    'fn:share.mjs',
    '--judge',
    'fn:against.mjs',
  );
  expect(stderr).not.toContain('error');
  expect(code).toBe(0);
  expect(stdout).toMatch(/^judge: fn:share\.mjs, then fn:against\.mjs$/m);
  const { recipe, quality } = await readVector(join(cwd, 'run', 'vector.gguf'));
  expect(recipe.judge).toEqual({ name: 'fn:share.mjs' });
  expect(recipe.otherJudges).toEqual(['fn:against.mjs']);
  expect(recipe.calibration).toBeUndefined();
  expect(quality.counts!.kept).toEqual({ pos: 10, neg: 10 }); // what the second thinks of them drops nothing
  const high = quality.doses!.at(-1)!;
  expect(high.trait.mean).toBeGreaterThan(90);
  expect(high.others!['fn:against.mjs']!.trait.mean).toBe(0);
  expect(lineCount(join(cwd, 'run', 'judgements.jsonl'))).toBe(2 * 20);
  expect(readFileSync(join(cwd, 'run', 'report.html'), 'utf8')).toContain(
    'fn:share.mjs; beside it fn:against.mjs',
  );
});

test('the judge is part of what a run is: another one does not go on with it', async () => {
  const cwd = await prepared();
  expect((await persona(cwd, ...EXTRACT, '--judge', 'fn:share.mjs')).code).toBe(0);
  const other = await persona(cwd, ...EXTRACT, '--judge', 'fn:against.mjs');
  expect(other.code).toBe(2);
  expect(other.stderr).toContain('judge.name: "fn:share.mjs" there, "fn:against.mjs" now');
});

test('a judge that finds the trait everywhere leaves nothing, and the error says what fell', async () => {
  const cwd = await prepared();
  const { code, stderr } = await persona(cwd, ...EXTRACT, '--judge', 'fn:strict.mjs');
  expect(code).toBe(1);
  expect(stderr).toMatch(/none of 20 rollouts passed .* 10 trait too strong, 10 its pair fell/);
});

test.each([
  [['--judge', 'gpt'], /names no judge.*openai:MODEL, gguf:MODEL or fn:FILE\.ts/s],
  [['--judge', 'likelihood', '--judge', 'likelihood'], /likelihood is given twice/],
  [['--judge', 'fn:missing.ts'], /fn:missing\.ts: there is no such file/],
])('%j is refused before anything is asked', async (args, words) => {
  const cwd = await prepared();
  const { code, stderr } = await persona(cwd, ...EXTRACT, ...args);
  expect(code).not.toBe(0);
  expect(stderr).toMatch(words);
  expect(lineCount(join(cwd, 'run', 'rollouts.jsonl'))).toBe(0);
});

test('a sweep compares ways of steering, with a second judge and another trait beside', async () => {
  const cwd = await prepared();
  const made = await persona(cwd, ...EXTRACT, '--judge', 'fn:share.mjs', '-o', 'v.gguf');
  expect(made.code).toBe(0);
  const before = readFileSync(join(cwd, 'run', 'vector.gguf'));
  const ways = [
    '--kinds',
    'response_avg,prompt_last',
    '--spread',
    'single,incremental',
    '--scopes',
    'response,all',
  ];
  const common = ['--threads', '1', '--parallel', '2', '--cache-type', 'f32', '--model', 'planted.gguf'];
  const { code, stdout, stderr } = await persona(
    cwd,
    'sweep',
    'run/vector.gguf',
    ...common,
    '--max-tokens',
    '12',
    '--questions',
    '2',
    '--no-store',
    '--layers',
    '1,2',
    '--coefficients',
    '-0.2,0.2',
    ...ways,
    '--judge',
    'fn:share.mjs',
    '--judge',
    'fn:against.mjs',
    '--side-effects',
    'evil',
    '--json',
  );
  expect(stderr).not.toContain('error');
  expect(code).toBe(0);
  const document = JSON.parse(stdout);
  expect(document.variants.map(({ name }: { name: string }) => name)).toEqual([
    '', 'incremental', 'all', 'all, incremental',
    'prompt_last', 'prompt_last, incremental', 'prompt_last, all', 'prompt_last, all, incremental',
  ]); // prettier-ignore
  // unsteered once; two coefficients at two layers for single, at one for increments
  expect(document.doses).toHaveLength(1 + 4 * 2 * 2 + 4 * 2);
  for (const dose of document.doses) expect(Object.keys(dose.others)).toEqual(['fn:against.mjs', 'evil']);
  const rise = (name: string): number => {
    const own = document.doses.filter((dose: { variant?: string }) => (dose.variant ?? '') === name);
    const at = (c: number) => own.filter((dose: { coefficient: number }) => dose.coefficient === c).at(-1);
    return at(0.2).trait.mean - at(-0.2).trait.mean;
  };
  expect(rise('')).toBeGreaterThan(50);
  expect(rise('incremental')).toBeGreaterThan(20);
  expect(document.stored).toBe(false);
  expect(readFileSync(join(cwd, 'run', 'vector.gguf'))).toEqual(before);
  const page = readFileSync(join(cwd, document.report), 'utf8');
  expect(page).toContain('prompt_last, all, incremental');
  expect(page).not.toMatch(/NaN|undefined/);

  const lone = await persona(
    cwd,
    'sweep',
    'v.gguf',
    ...common,
    '--kinds',
    'prompt_avg',
    '--judge',
    'fn:share.mjs',
  );
  expect(lone.code).toBe(1);
  expect(lone.stderr).toMatch(/v\.prompt_avg\.gguf/);
});
