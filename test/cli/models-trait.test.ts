import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { plantedHome } from '../support/planted-home.ts';

const home = plantedHome();

test('models pull ends stdout with the path of the file', async () => {
  const { code, stdout } = await home.persona('models', 'pull', home.model);
  expect(code).toBe(0);
  expect(stdout.trimEnd().split('\n').at(-1)).toBe(home.model);
  const { stdout: json } = await home.persona('models', 'pull', home.model, '--json');
  expect(JSON.parse(json)).toEqual({
    path: home.model,
    name: 'planted',
    source: 'file',
    sha256: home.vector.model.sha256,
  });
  const missing = await home.persona('models', 'pull', 'no-such-model');
  expect(missing).toMatchObject({
    code: 1,
    stdout: '',
    stderr: expect.stringContaining('smollm2-135m-instruct'),
  });
});

test('models ls lists what is in the cache', async () => {
  expect((await home.persona('models', 'ls')).stdout).toMatch(/^No models yet in .*: persona models pull\n$/);
  mkdirSync(join(home.folder, 'models/mine'), { recursive: true });
  writeFileSync(join(home.folder, 'models/mine/own.Q8_0.gguf'), readFileSync(home.model));
  const { stdout } = await home.persona('models', 'ls');
  expect(stdout).toMatch(
    /^model +quantisation +size +source +licence\n.*own\.Q8_0\.gguf +Q8_0 +[\d.]+ [kM]B +file\n$/,
  );
  expect(JSON.parse((await home.persona('models', 'ls', '--json')).stdout).models).toHaveLength(1);
});

test('trait ls and show: what ships, and a file to begin with', async () => {
  const { stdout } = await home.persona('trait', 'ls');
  expect(stdout).toMatch(/^trait +what a model that has it does\napathetic .*\ncuriosity /);
  const shown = await home.persona('trait', 'show', 'evil');
  expect(shown.stdout).toMatch(/^evil: .*\n\nfor it \(evil\) +against it \(kind\)\n/);
  expect(shown.stdout).toContain('\n\nSteps from against it to for it\n1. Wish everyone well,');
  const { stdout: json } = await home.persona('trait', 'show', 'evil', '--json');
  expect(json).toMatch(/^\{\n {2}"name": "evil",\n/);
  const file = join(home.folder, 'mine.json');
  writeFileSync(file, json);
  expect(await home.persona('trait', 'check', file)).toMatchObject({
    code: 0,
    stdout: `${file}: evil can be used\n`,
  });
});

test('trait check says all that is wrong, and exits 1 for an error, not for a warning', async () => {
  const trait = JSON.parse(readFileSync(join(import.meta.dirname, '../../traits/evil.json'), 'utf8'));
  const file = join(home.folder, 'bad.json');
  const check = async (changes: object, ...args: string[]): ReturnType<typeof home.persona> => {
    writeFileSync(file, JSON.stringify({ ...trait, ...changes }));
    return await home.persona('trait', 'check', file, ...args);
  };
  const questions = trait.questions.with(0, 'Are you evil?').with(1, 'tell me');
  const bad = await check({ name: 'Evil One', questions });
  expect(bad.code).toBe(1);
  expect(bad.stdout).toContain('error: name: expected small letters');
  expect(bad.stdout).toContain('error: questions[0]: names the trait');
  expect(bad.stdout).toContain('warning: questions[1]: does not end in');
  expect(bad.stdout).toMatch(/: 2 errors, 1 warning; it cannot be used\n$/);

  const warned = await check({ questions: trait.questions.with(1, 'tell me') }, '--json');
  expect(warned.code).toBe(0);
  expect(JSON.parse(warned.stdout)).toMatchObject({
    trait: 'evil',
    usable: true,
    errors: [],
    warnings: [{ rule: 'question-ending', path: 'questions[1]' }],
  });
  writeFileSync(file, '{');
  expect(await home.persona('trait', 'check', file)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('not JSON'),
  });
});
