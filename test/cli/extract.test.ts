/** `persona extract` as a user runs it. */

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { contextFor } from '../../src/cli/extract.ts';
import type { Rollout } from '../../src/rollout/rollout.ts';
import { readVector } from '../../src/vector/file.ts';
import { direction } from '../../src/vector/vector.ts';
import { expectClose } from '../engine/tiny-engine.ts';
import { folder } from '../support/folder.ts';
import { plantedTrait } from '../support/planted-trait.ts';
import { persona, PLANTED, preparePlanted, SMALL } from '../support/start-persona.ts';

vi.setConfig({ testTimeout: 60_000 }); // processes of their own, on a machine that may be busy

async function prepared(): Promise<string> {
  const cwd = folder();
  await preparePlanted(cwd);
  return cwd;
}

const QUICK = [...SMALL, '--questions', '2', '--layers', '1,2', '--layer-dose', '0.2'];

test('the document, the files, the words, and the page', async () => {
  const cwd = await prepared();
  const { code, stdout, stderr } = await persona(
    cwd,
    'extract',
    'planted.json',
    ...QUICK,
    '--evidence',
    '2',
    '--json',
    '-o',
    'out/mine.gguf',
    '--verbose',
  );
  expect(stderr).not.toContain('error');
  expect(code).toBe(0);
  const run = join('runs', 'planted-planted');
  expect(stdout.trimEnd().split('\n')).toHaveLength(1);
  expect(JSON.parse(stdout)).toEqual({
    vector: 'out/mine.gguf',
    trait: 'planted',
    layer: expect.toSatisfy((layer: unknown) => layer === 1 || layer === 2),
    coefficient: 0.2,
    kept: 20,
    dropped: 0,
    verdict: { use: expect.toSatisfy((use: unknown) => use !== 'no'), reasons: expect.any(Array) },
    report: join(run, 'report.html'),
  });
  expect(stderr).toMatch(/^planted in planted \(.*CPU.*\); rows go to runs\/planted-planted$/m);

  expect(stderr).toMatch(
    /^22 answers to find it, up to \d+ steered ones .*, 34 as evidence \(once for each model 32 more\)$/m,
  );

  const vector = await readVector(join(cwd, 'out', 'mine.gguf'));
  expect(vector).toEqual(await readVector(join(cwd, run, 'vector.gguf')));
  expect(vector.recipe.trait).toEqual(plantedTrait());
  for (const file of [
    'config.json',
    'rollouts.jsonl',
    'measurements.jsonl',
    'sweep.jsonl',
    'vector.prompt_avg.gguf',
  ])
    expect(existsSync(join(cwd, run, file)), file).toBe(true);

  const page = readFileSync(join(cwd, run, 'report.html'), 'utf8');
  expect(page).toMatch(/<title>[^<]*planted/);
  expect(page).toContain('Writes P rather than N.');
  expect(page).toContain(vector.model.sha256);
  expect(page).toContain('2 questions × 5 instruction pairs × 2 sides × 1 answers');
  expect(page).toContain(plantedTrait().evaluation[0]);
  expect(page).not.toMatch(/NaN|undefined|Infinity/);

  // without --json the same is said in words, from the rows that are there
  const words = await persona(cwd, 'extract', 'planted.json', ...QUICK, '--evidence', '2');
  expect(words.code).toBe(0);
  expect(words.stdout).toMatch(/^kept 10 positive and 10 negative answers of 20$/m);
  expect(words.stdout).toMatch(/^ +\+0\.2 .*← recommended$/m);
  expect(words.stdout).toMatch(/^vector: runs\/planted-planted\/vector\.gguf$/m);
  expect(words.stderr).toMatch(/^going on with 22 rollouts of 22 /m);
});

test('there is room for a prompt beside any answer, and for a usual one always', () => {
  expect(contextFor(64)).toBe(1024);
  expect(contextFor(1000)).toBe(1512);
});

describe('what cannot be done', () => {
  test('another option on the same folder: exit code 2, and the field', async () => {
    const cwd = await prepared();
    expect((await persona(cwd, 'extract', 'planted.json', ...QUICK, '--run', 'r')).code).toBe(0);
    for (const [option, value, field] of [
      ['--seed', '3', 'seed: 0 there, 3 now'],
      ['--threshold', '60', 'filter.threshold: 50 there, 60 now'],
    ] as const) {
      const { code, stdout, stderr } = await persona(
        cwd,
        'extract',
        'planted.json',
        ...QUICK,
        '--run',
        'r',
        option,
        value,
        '--json',
      );
      expect(code).toBe(2);
      expect(stderr).toContain(`error: r holds a run that was configured otherwise: ${field}`);
      expect(JSON.parse(stdout)).toMatchObject({
        error: { code: 'USAGE', message: expect.stringContaining(field) },
      });
    }
  });

  test('a broken trait names its field, before the model is opened', async () => {
    const cwd = folder();
    writeFileSync(join(cwd, 'broken.json'), JSON.stringify({ ...plantedTrait(), questions: ['what', 'so'] }));
    const { code, stderr } = await persona(cwd, 'extract', 'broken.json', '--model', 'none.gguf');
    expect(code).toBe(1);
    expect(stderr).toMatch(/error: broken\.json: questions: expected 20 questions, got 2/);
  });

  test.each([
    [['extract', 'planted.json', '--questions', '0'], /--questions.*Expected 1 to 20/],
    [['extract', 'planted.json', '--judge', 'me'], /"me" names no judge/],
    [['extract', 'planted.json', '--colour', 'red'], /unknown option '--colour'/],
    [
      ['extract', 'planted.json', '--model', 'planted.gguf', '--threads', '1', '--layers', '2,9'],
      /no layer 9 in a model of 4/,
    ],
    [['sweep'], /missing required argument 'vector'/],
  ])('%s: exit code 2', async (args, message) => {
    const cwd = await prepared();
    const { code, stdout, stderr } = await persona(cwd, ...args);
    expect(stderr).toMatch(message);
    expect([code, stdout]).toEqual([2, '']);
  });
});

describe('--rollouts', () => {
  const prompt = '<|im_start|>user\ngo on.<|im_end|>\n<|im_start|>assistant\n';
  const lines = (['pos', 'neg'] as const).flatMap((side) =>
    ['PPP', 'PaP', 'P P.', 'bPPP'].map((text) => ({
      side,
      prompt,
      answer: side === 'pos' ? text : text.replaceAll('P', 'N'),
    })),
  );

  test('nothing is asked; the name of the trait is enough; the document is the same', async () => {
    const cwd = await prepared();
    const rollouts = [...lines, { side: 'neg', prompt, answer: '' }];
    writeFileSync(join(cwd, 'given.jsonl'), rollouts.map((line) => JSON.stringify(line)).join('\n'));
    const { code, stdout, stderr } = await persona(
      cwd,
      'extract',
      'mine',
      '--model',
      'planted.gguf',
      '--threads',
      '1',
      '--rollouts',
      'given.jsonl',
      '--run',
      'r',
      '--json',
    );
    expect(stderr).not.toContain('error');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual({
      vector: join('r', 'vector.gguf'),
      trait: 'mine',
      layer: 2,
      coefficient: 1,
      kept: 8,
      dropped: 1,
      report: null,
    });
    const vector = await readVector(join(cwd, 'r', 'vector.gguf'));
    expect(vector.recipe.rollouts).toMatchObject({ path: 'given.jsonl' });
    expect(existsSync(join(cwd, 'r', 'rollouts.jsonl'))).toBe(false);
  });

  test('the rollouts of a run, given back, make its vector again', async () => {
    const cwd = await prepared();
    expect((await persona(cwd, 'extract', 'planted.json', ...QUICK, '--run', 'r')).code).toBe(0);
    const own = readFileSync(join(cwd, 'r', 'rollouts.jsonl'), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Rollout)
      .filter(({ side }) => side !== 'none');
    writeFileSync(join(cwd, 'given.jsonl'), own.map((line) => JSON.stringify(line)).join('\n'));
    const { code } = await persona(
      cwd,
      'extract',
      'planted.json',
      ...PLANTED,
      '--rollouts',
      'given.jsonl',
      '--run',
      'again',
    );
    expect(code).toBe(0);
    const [first, again] = [
      await readVector(join(cwd, 'r', 'vector.gguf')),
      await readVector(join(cwd, 'again', 'vector.gguf')),
    ];
    for (let b = 0; b < 4; b++) expectClose(direction(again, b), direction(first, b), 1e-5);
    expect(again.quality.counts).toEqual(first.quality.counts);
  });

  test('answers as long as the reference’s have room', async () => {
    const cwd = await prepared();
    const long = lines.map((line) => ({ ...line, answer: line.answer.repeat(400).slice(0, 1200) }));
    writeFileSync(
      join(cwd, 'given.jsonl'),
      long
        .slice(3, 5)
        .map((line) => JSON.stringify(line))
        .join('\n'),
    );
    const { code, stderr } = await persona(cwd, 'extract', 'mine', ...PLANTED, '--rollouts', 'given.jsonl');
    expect(stderr).not.toContain('error');
    expect(code).toBe(0);
  });

  test('an empty side: exit code 1, the reason and what to do, before the model is opened', async () => {
    const cwd = folder();
    const positive = lines.filter(({ side }) => side === 'pos');
    writeFileSync(join(cwd, 'given.jsonl'), positive.map((line) => JSON.stringify(line)).join('\n'));
    const { code, stdout, stderr } = await persona(
      cwd,
      'extract',
      'mine',
      '--model',
      'none.gguf',
      '--rollouts',
      'given.jsonl',
      '--json',
    );
    expect(code).toBe(1);
    expect(stderr).toContain(
      'given.jsonl: no rollout with side "neg" and an answer\n  a vector is the difference',
    );
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'EMPTY_SIDE', remedy: expect.any(String) } });
  });

  test('a broken line: exit code 1, file and line', async () => {
    const cwd = folder();
    writeFileSync(join(cwd, 'given.jsonl'), '{"side":"pos","prompt":"p","answer":"a"}\n{"side":"both"}\n');
    const { code, stderr } = await persona(cwd, 'extract', 'mine', '--rollouts', 'given.jsonl');
    expect(code).toBe(1);
    expect(stderr).toMatch(/error: given\.jsonl:2: side:/);
  });
});

test('a model too deaf to follow the instructions: exit code 1, and what to do', async () => {
  const cwd = await prepared();
  const { code, stderr } = await persona(cwd, 'extract', 'optimistic', ...QUICK, '--run', 'r');
  expect(code).toBe(1);
  expect(stderr).toMatch(/error: .*\n {2}.*(larger|lower|ask more)/);
});
