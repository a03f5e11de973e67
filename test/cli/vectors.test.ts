import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { writeGguf } from '../../src/model/gguf-write.ts';
import type { Trait } from '../../src/trait/trait.ts';
import { writeVector } from '../../src/vector/file.ts';
import { plantedHome } from '../support/planted-home.ts';

const home = plantedHome();

test('ls lists the vectors folder, and folders and files that are given', async () => {
  const more = join(home.folder, 'more');
  mkdirSync(more);
  copyFileSync(join(home.folder, 'vectors/pish.gguf'), join(more, 'copy.gguf'));
  const broken = join(home.folder, 'broken.gguf');
  writeFileSync(broken, 'nothing');
  const { code, stdout } = await home.persona('vectors', 'ls', more, broken);
  expect(code).toBe(0);
  const lines = stdout.trimEnd().split('\n');
  expect(lines[0]).toMatch(/^vector +trait +model +layer +coefficient$/);
  expect(lines[1]).toMatch(/^pish +pish +planted +2 +1\.5$/);
  expect(lines[2]).toMatch(/copy\.gguf +pish +planted +2 +1\.5$/);
  expect(lines[3]).toMatch(/broken\.gguf: .*GGUF/);
  const { vectors } = JSON.parse((await home.persona('vectors', 'ls', '--json')).stdout);
  expect(vectors).toEqual([
    { name: 'pish', path: join(home.folder, 'vectors/pish.gguf'), trait: 'pish', model: 'planted', layer: 2, coefficient: 1.5 },
  ]); // prettier-ignore
});

test('show tells all that is known, for people and for programs', async () => {
  const path = join(home.folder, 'full.gguf');
  const trait: Trait = {
    name: 'pish',
    assistant: { pos: 'a', neg: 'b' },
    description: 'c',
    instruction: [{ pos: 'd', neg: 'e' }],
    questions: ['f?'],
    evaluation: ['g?'],
    eval_prompt: '{question} {answer}',
  };
  const recipe = { created: '2026-01-01', trait, judge: { name: 'likelihood', pairs: 2 } };
  const estimate = { mean: 51.2345, low: 40, high: 60, n: 8 };
  const quality = {
    separation: [0.5, 0.75, 1, null],
    doses: [{ layer: 2, coefficient: 1, trait: estimate, coherence: estimate }],
  };
  await writeVector(path, { ...home.vector, quality, recipe });
  const { stdout } = await home.persona('vectors', 'show', path);
  expect(stdout).toContain(
    `file         ${path}\ntrait        pish (response_avg)\nmodel        planted · llama · 4 layers of width 64`,
  );
  expect(stdout).toMatch(/\nlayer +2\ncoefficient +1\.5\nnorms +▁▃▆█ 1 to 4, 3 at layer 2\n/);
  expect(stdout).toMatch(/\nbaseline +-1\.5 ± 0\.75 over 40 answers, at layer 2\n/);
  expect(stdout).toMatch(/^Steering at layer 2, judged by likelihood\n.*\n +\+1 {2}51 \[40, 60\]/m);
  expect(stdout).toMatch(/\n {2}separation +▁▅█  0\.5 to 1, 1 at layer 2\n/);
  expect(stdout).toMatch(
    /\nRecipe\n {2}created +2026-01-01\n {2}trait +pish, 1 instruction pairs, 1 \+ 1 questions\n {2}judge +name likelihood · pairs 2\n$/,
  );

  const document = JSON.parse((await home.persona('vectors', 'show', 'pish', '--json')).stdout);
  expect(document).toMatchObject({
    trait: 'pish',
    kind: 'response_avg',
    layer: 2,
    coefficient: 1.5,
    recipe: {},
  });
  expect(document.norms).toHaveLength(4);
  expect(document.norms[3]).toBeCloseTo(4, 5);
  expect(document.baseline.answers).toBe(40);
  expect(document.model).toEqual(home.vector.model);
});

test('a vector that is not tuned yet says what to do; one of another tool is shown too', async () => {
  const { layer: _, coefficient: __, baseline: ___, ...raw } = home.vector;
  const [untuned, foreign] = [join(home.folder, 'untuned.gguf'), join(home.folder, 'foreign.gguf')];
  await writeVector(untuned, raw);
  await writeGguf({
    path: foreign,
    metadata: [
      ['general.architecture', { type: 'string', value: 'controlvector' }],
      ['controlvector.model_hint', { type: 'string', value: 'qwen2' }],
    ],
    tensors: [2, 5].map((b) => ({
      name: `direction.${b}`,
      shape: [2],
      type: 'F32',
      data: Float32Array.of(3, 4),
    })),
  });
  const shown = await home.persona('vectors', 'show', untuned);
  expect(shown.stdout).toMatch(
    /\nlayer +none chosen yet: persona sweep\n.*\n.*\n.*\nbaseline +none: no z values/,
  );
  const other = await home.persona('vectors', 'show', foreign);
  expect(other.stdout).toMatch(
    /another tool's control vector.*\nmodel +qwen2 · width 2\nlayers +2 to 5\nnorms +▁▁ 5 to 5\n/,
  );
  const missing = await home.persona('vectors', 'show', 'pich');
  expect(missing).toMatchObject({ code: 1, stderr: expect.stringContaining('Did you mean pish?') });
});
