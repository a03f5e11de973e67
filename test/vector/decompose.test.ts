import { join } from 'node:path';
import { expect, test } from 'vitest';
import { writeSafetensors } from '../../src/files/safetensors.ts';
import { random } from '../../src/math/random.ts';
import { decompose } from '../../src/vector/decompose.ts';
import { folder } from '../support/folder.ts';

const WIDTH = 16;
/** More numbers than are read at once. */
const FEATURES = 200_000;
/** Decoder directions at random, except: 7 along v, 9 along −v of another length, 12 dead, the last at 45°. */
const next = random(3);
const v = Float32Array.from({ length: WIDTH }, (_, i) => (i === 2 ? 3 : 0));
const decoder = Float32Array.from({ length: FEATURES * WIDTH }, () => next.uniform() - 0.5);
decoder.set(v, 7 * WIDTH);
decoder.set(v.map((x) => -5 * x), 9 * WIDTH); // prettier-ignore
decoder.fill(0, 12 * WIDTH, 13 * WIDTH);
decoder.set(Float32Array.from({ length: WIDTH }, (_, i) => (i === 2 || i === 3 ? 1 : 0)), (FEATURES - 1) * WIDTH); // prettier-ignore

test.each(['W_dec', 'decoder.weight', 'dec'])('a row or a column a feature: %s', async (name) => {
  const path = join(folder(), 'sae.safetensors');
  const transposed = new Float32Array(decoder.length);
  for (let f = 0; f < FEATURES; f++)
    for (let i = 0; i < WIDTH; i++) transposed[i * FEATURES + f] = decoder[f * WIDTH + i]!;
  const bias = { name: 'b_dec', shape: [WIDTH], data: new Float32Array(WIDTH) };
  const found = [];
  for (const [shape, data] of [
    [[FEATURES, WIDTH], decoder],
    [[WIDTH, FEATURES], transposed],
  ] as const) {
    await writeSafetensors(path, [bias, { name, shape, data }]);
    found.push(await decompose(v, path, { top: 3 }));
  }
  const [rows, columns] = found;
  expect(rows).toMatchObject({ tensor: name, features: FEATURES, dead: 1 });
  expect(rows!.positive[0]).toEqual({ feature: 7, cosine: 1 });
  expect(rows!.negative[0]).toEqual({ feature: 9, cosine: -1 });
  expect(rows!.positive).toHaveLength(3);
  for (const sign of ['positive', 'negative'] as const) {
    expect(columns![sign].map(({ feature }) => feature)).toEqual(rows![sign].map(({ feature }) => feature));
    for (const [i, { cosine }] of columns![sign].entries())
      expect(cosine).toBeCloseTo(rows![sign][i]!.cosine, 5);
  }
});

test('few features: only those of the sign are told', async () => {
  const path = join(folder(), 'sae.safetensors');
  const data = Float32Array.of(1, 0, 1, 1, 0, 1);
  await writeSafetensors(path, [{ name: 'W_dec', shape: [3, 2], data }]);
  const found = await decompose(Float32Array.of(1, 0), path, { top: 5 });
  expect(found.positive.map(({ feature }) => feature)).toEqual([0, 1]);
  expect(found.positive[1]!.cosine).toBeCloseTo(Math.SQRT1_2, 6);
  expect(found.negative).toEqual([]);
});

test('another width or name is refused', async () => {
  const path = join(folder(), 'sae.safetensors');
  await writeSafetensors(path, [{ name: 'decode', shape: [3, 2], data: new Float32Array(6) }]);
  await expect(decompose(Float32Array.of(1, 0), path, { top: 1 })).rejects.toMatchObject({
    code: 'BAD_FILE',
    remedy: 'Name it with --tensor. Matrices in the file: decode.',
  });
  await expect(decompose(v, path, { top: 1, tensor: 'decode' })).rejects.toMatchObject({
    code: 'WRONG_MODEL',
    message: `${path}: decode has the shape [3, 2]; the vector has width 16`,
  });
});
