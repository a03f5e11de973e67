/** `persona sweep` on the planted direction itself. */

import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { readVector, writeVector } from '../../src/vector/file.ts';
import { cellKey } from '../../src/vector/sweep.ts';
import type { SteeredAnswer } from '../../src/vector/dose.ts';
import type { PersonaVector } from '../../src/vector/vector.ts';
import { aVector } from '../support/a-vector.ts';
import { folder } from '../support/folder.ts';
import { usePlanted } from '../support/planted-chat.ts';
import { plantedTrait } from '../support/planted-trait.ts';
import { linesWritten, persona, PLANTED, startPersona } from '../support/start-persona.ts';
import { TINY } from '../tiny/tiny-model.ts';

vi.setConfig({ testTimeout: 60_000 }); // processes of their own, on a machine that may be busy

const chat = usePlanted();
/** a folder for each test, with planted.gguf, planted.json and v.gguf */
let cwd: string;

const created = '2026-01-01T00:00:00.000Z';

/** As another tool's answers would make it: directions, and little else. */
function bareVector(length: number): PersonaVector {
  const directions = new Float32Array(TINY.layers * TINY.width);
  for (let b = 0; b < TINY.layers; b++)
    directions.set(
      chat.planted.direction.map((x) => length * x),
      b * TINY.width,
    );
  const { baseline: _, layer: __, coefficient: ___, ...bare } = aVector();
  return { ...bare, trait: 'planted', model: chat.model.identity, directions, recipe: { created } };
}

beforeAll(() => writeFileSync(join(chat.folder, 'planted.json'), JSON.stringify(plantedTrait())));

beforeEach(async () => {
  cwd = folder();
  for (const file of ['planted.gguf', 'planted.json']) copyFileSync(join(chat.folder, file), join(cwd, file));
  await writeVector(join(cwd, 'v.gguf'), bareVector(2));
});

const BARE = ['sweep', 'v.gguf', ...PLANTED, '--max-tokens', '12', '--questions', '3'];
const SWEEP = [...BARE, '--trait', 'planted.json'];
const GRID = ['--coefficients', '-1,0.5,1', '--json'];

function answers(): SteeredAnswer[] {
  return readFileSync(join(cwd, 'v.sweep', 'sweep.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as SteeredAnswer);
}

test('layer and coefficient are chosen and stored, with what later sweeps need; other layers go on from there', async () => {
  const { code, stdout, stderr } = await persona(cwd, ...SWEEP, ...GRID, '--layers', '1,2');
  expect(stderr).not.toContain('error');
  expect(code).toBe(0);
  const document = JSON.parse(stdout);
  expect(document).toMatchObject({ vector: 'v.gguf', trait: 'planted', judge: 'likelihood', stored: true });
  expect([1, 2]).toContain(document.layer);
  expect(document.coefficient).toBe(1);
  expect(document.doses).toHaveLength(1 + 2 * 3);
  expect(answers()).toHaveLength(3 * (1 + 2 * 3));

  const stored = await readVector(join(cwd, 'v.gguf'));
  expect([stored.layer, stored.coefficient]).toEqual([document.layer, 1]);
  expect(stored.directions).toEqual(bareVector(2).directions);
  expect(stored.recipe).toMatchObject({ created, trait: plantedTrait(), calibration: { trait: { auc: 1 } } });
  expect(stored.quality.doses!.map(({ layer, coefficient }) => [layer, coefficient])).toEqual(
    [-1, 0, 0.5, 1].map((coefficient) => [document.layer, coefficient]),
  );
  expect(stored.quality.doses![0]!.trait.mean).toBeLessThan(20);
  expect(stored.baseline!.answers).toBe(3);

  // now the vector knows its trait; what was asked is not asked again
  const more = await persona(cwd, ...BARE, ...GRID, '--layers', '2,3', '--no-store');
  expect(more.code, more.stderr).toBe(0);
  expect(answers()).toHaveLength(3 * (1 + 3 * 3));
  expect(await readVector(join(cwd, 'v.gguf'))).toEqual(stored);
});

test('kill -9 in the midst, then the same command: nothing is asked twice, and the end is the same', async () => {
  const args = [...SWEEP, ...GRID, '--layers', '1-2'];
  const total = 3 * (1 + 2 * 3);
  const running = startPersona(cwd, args);
  await linesWritten(running, join(cwd, 'v.sweep', 'sweep.jsonl'), 6);
  running.child.kill('SIGKILL');
  expect((await running.ended).code).toBeNull();
  expect((await readVector(join(cwd, 'v.gguf'))).layer).toBeUndefined();

  const again = await persona(cwd, ...args);
  expect(again.code, again.stderr).toBe(0);
  const rows = answers();
  expect(rows).toHaveLength(total);
  expect(new Set(rows.map(cellKey)).size).toBe(total);

  const scored = await readVector(join(cwd, 'v.gguf'));
  await writeVector(join(cwd, 'v.gguf'), bareVector(2));
  const whole = await persona(cwd, ...args, '--run', 'elsewhere');
  const { doses, report: _, ...rest } = JSON.parse(whole.stdout);
  expect(JSON.parse(again.stdout)).toMatchObject(rest);
  expect(doses).toHaveLength(1 + 2 * 3);
  const unkilled = await readVector(join(cwd, 'v.gguf'));
  expect([scored.layer, scored.coefficient]).toEqual([unkilled.layer, unkilled.coefficient]);
});

test('a vector with other directions, or another trait, is another sweep: exit code 2, and the field', async () => {
  const one = [...SWEEP, '--layers', '1', '--coefficients', '1', '--questions', '1'];
  expect((await persona(cwd, ...one)).code).toBe(0);
  const [stored] = [await readVector(join(cwd, 'v.gguf'))];
  expect(stored.layer).toBe(1);
  await writeVector(join(cwd, 'v.gguf'), bareVector(3));
  const directions = await persona(cwd, ...one);
  expect(directions.stderr).toContain(
    'v.sweep holds a run that was configured otherwise: vector.directionsSha256:',
  );
  expect(directions.code).toBe(2);
  await writeVector(join(cwd, 'v.gguf'), stored);
  const other = {
    ...plantedTrait(),
    questions: plantedTrait().evaluation,
    evaluation: plantedTrait().questions,
  };
  writeFileSync(join(cwd, 'planted.json'), JSON.stringify(other));
  const trait = await persona(cwd, ...one);
  expect(trait.stderr).toContain('traitSha256:');
  expect(trait.code).toBe(2);

  // elsewhere it is swept, but no part of how the vector was made
  expect((await persona(cwd, ...one, '--run', 'other')).code).toBe(0);
  expect((await readVector(join(cwd, 'v.gguf'))).recipe).toEqual(stored.recipe);
});

test('what cannot be swept is refused before anything is asked', async () => {
  const layers = await persona(cwd, ...SWEEP, '--layers', '1,7');
  expect(layers.stderr).toContain('error: no layer 7 in a model of 4 layers');
  expect(layers.code).toBe(2);

  const nameless = await persona(cwd, 'sweep', 'v.gguf', ...PLANTED);
  expect(nameless.stderr).toMatch(/error: v\.gguf: its trait planted has no questions here\n.*--trait/);
  expect(nameless.code).toBe(1);

  await writeVector(join(cwd, 'v.gguf'), aVector());
  const other = await persona(cwd, ...SWEEP);
  expect(other.stderr).toMatch(/error: v\.gguf was made on tiny .*; this is planted /);
  expect(other.code).toBe(1);
  expect(existsSync(join(cwd, 'v.sweep'))).toBe(false);
});
