import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { writeSafetensors } from '../../src/files/safetensors.ts';
import { readVector, writeVector } from '../../src/vector/file.ts';
import { direction } from '../../src/vector/vector.ts';
import { plantedHome } from '../support/planted-home.ts';
import { A_MODEL, aVector } from '../support/a-vector.ts';

const home = plantedHome();
const at = (name: string): string => join(home.folder, name);
const vectors = (...args: string[]): ReturnType<typeof home.persona> => home.persona('vectors', ...args);

beforeAll(async () => {
  const other = aVector({ trait: 'other', model: home.vector.model });
  await writeVector(at('vectors/other.gguf'), other);
  await writeVector(at('alien.gguf'), aVector({ model: { ...A_MODEL, layers: 3 } }));
});

test('combine: weights, projections and lengths; the result tells what it is', async () => {
  const out = at('sum.gguf');
  const { code, stdout } = await vectors('combine', 'pish=2', 'other=-0.5', '--away', 'other', '--normalise', '-o', out); // prettier-ignore
  expect(code).toBe(0);
  expect(stdout).toBe(`2 pish - 0.5 other: sum, away from other, unit length, length 1.000 at layer 2\nwritten  ${out}\n`); // prettier-ignore
  const vector = await readVector(out);
  const [row, other] = [direction(vector, 2), direction(await readVector(at('vectors/other.gguf')), 2)];
  let sum = 0;
  for (const [i, x] of row.entries()) sum += x * other[i]!;
  expect(sum).toBeCloseTo(0, 5);
  expect(vector.recipe.combined?.from.map(({ trait, weight }) => [trait, weight])).toEqual([
    ['pish', 2],
    ['other', -0.5],
    ['other', 0],
  ]);

  const inc = await vectors('combine', 'pish', '--incremental', '--json', '-o', at('inc.safetensors'));
  const document = JSON.parse(inc.stdout); // v is 1, 2, 3 and 4 times one direction
  expect(document).toMatchObject({ trait: 'pish', layer: null, operation: 'increments from layer to layer' });
  for (const length of document.norms) expect(length).toBeCloseTo(1, 5);
});

test('combine: what is put wrongly', async () => {
  expect(await vectors('combine', 'pish=x', '-o', at('x.gguf'))).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('"x" is not a number'),
  });
  expect(await vectors('combine', 'pish@3', '-o', at('x.gguf'))).toMatchObject({ code: 2 });
  expect(await vectors('combine', 'pish', at('alien.gguf'), '-o', at('x.gguf'))).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('are of different models: layers 4 and 3'),
  });
});

test('compare: a matrix, chance, and all layers', async () => {
  const { code, stdout } = await vectors('compare', 'pish', 'other', '--layers');
  expect(code).toBe(0);
  expect(stdout).toMatch(/^layer 2 +pish +other\npish +1\.000 +-?0\.\d{3}\nother +-?0\.\d{3} +1\.000\n/);
  expect(stdout).toMatch(/\npish · other +-?0\.\d{3} +±0\.245 +(within|outside)\nchance: not known/);
  expect(stdout).toMatch(/\npish · other +[▁-█]{4} +/);
  const { pairs, layers } = JSON.parse((await vectors('compare', 'pish', 'pish', '--layer', '1', '--layers', '--json')).stdout); // prettier-ignore
  expect(pairs).toEqual([{ a: 'pish', b: 'pish', cosine: expect.closeTo(1, 6), band: { half: 1.96 / 8, by: 'isotropic' } }]); // prettier-ignore
  expect(layers).toEqual([Array.from({ length: 4 }, () => expect.closeTo(1, 6))]);
  expect(await vectors('compare', 'pish')).toMatchObject({ code: 2 });
  expect(await vectors('compare', 'pish', 'other', '--layer', '4')).toMatchObject({ code: 2 });
  expect(await vectors('compare', 'pish', at('alien.gguf'))).toMatchObject({ code: 1 });
});

test('decompose: the nearest features of a decoder', async () => {
  const sae = at('sae.safetensors');
  const v = direction(home.vector, 2);
  const data = new Float32Array(3 * 64);
  data.set(v, 64);
  data.set(v.map((x, i) => (i < 32 ? -x : 0)), 128); // prettier-ignore
  await writeSafetensors(sae, [{ name: 'W_dec', shape: [3, 64], data }]);
  const { code, stdout } = await vectors('decompose', 'pish', '--sae', sae);
  expect(code).toBe(0);
  expect(stdout).toMatch(
    /^pish at layer 2, 3 features \(1 without a direction\) of W_dec\n\ntowards +cosine +against +cosine\n +1 +1\.000 +2 +-0\.\d{3}\n$/,
  );
  const document = JSON.parse((await vectors('decompose', 'pish', '--sae', sae, '--layer', '1', '--json')).stdout); // prettier-ignore
  expect(document).toMatchObject({ vector: 'pish', layer: 1, features: 3, dead: 1, positive: [{ feature: 1 }], negative: [{ feature: 2 }] }); // prettier-ignore
});
