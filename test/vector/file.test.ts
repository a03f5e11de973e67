import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Gguf, GgufValue } from '../../src/model/gguf.ts';
import { readGguf, readTensor } from '../../src/model/gguf-read.ts';
import { writeGguf, type TensorToWrite } from '../../src/model/gguf-write.ts';
import { readVector, writeVector } from '../../src/vector/file.ts';
import { direction, type PersonaVector } from '../../src/vector/vector.ts';
import { A_MODEL, aVector } from '../support/a-vector.ts';
import { folder } from '../support/folder.ts';
import { aTrait } from '../trait/a-trait.ts';

/** Writes a vector, changes what its file says, and reads it. */
async function broken(
  change: (metadata: Map<string, GgufValue>, tensors: TensorToWrite[]) => unknown,
  vector: PersonaVector = aVector(),
): Promise<PersonaVector> {
  const path = join(folder(), 'broken.gguf');
  await writeVector(path, vector);
  const file = await readGguf(path);
  const metadata = new Map(
    [...file.metadata].flatMap(([key, value]) => (value.type === 'skipped' ? [] : [[key, value] as const])),
  );
  const tensors = await tensorsOf(file);
  change(metadata, tensors);
  await writeGguf({ path, metadata: [...metadata], tensors });
  return readVector(path);
}

async function tensorsOf(file: Gguf): Promise<TensorToWrite[]> {
  return Promise.all(
    [...file.tensors.keys()].map(async (name) => {
      const data = await readTensor(file, name);
      return { name, shape: [data.length], type: 'F32' as const, data };
    }),
  );
}

const text = (value: string): GgufValue => ({ type: 'string', value });
const floats = (...items: number[]): GgufValue => ({
  type: 'array',
  of: 'f32',
  items: Float32Array.from(items),
});

test('what was written is read again, whole', async () => {
  const path = join(folder(), 'evil.gguf');
  const vector = aVector({
    coefficient: 0.1, // no f32 is this
    recipe: {
      created: '2026-01-01T00:00:00.000Z',
      trait: aTrait(),
      questions: 20,
      samples: 1,
      maxTokens: 64,
      temperature: 0,
      seed: 3,
      judge: { name: 'likelihood', pairs: 2 },
      calibration: {
        trait: { midpoint: 0.1, slope: 3, dPrime: 2.5, auc: 0.9, rollouts: 200 },
        coherence: { usual: 0.7, deviation: 0.2, shuffled: 3.3 },
      },
      filter: { threshold: 50, coherence: 50, paired: true },
    },
    quality: {
      counts: { asked: 200, kept: { pos: 80, neg: 80 }, dropped: [{ reason: 'no score', count: 40 }] },
      norms: [1, 2, 3, 4],
      separation: [null, 0.9, 1, 1],
      why: 'the best',
    },
  });
  await writeVector(path, vector);
  expect(await readVector(path)).toEqual(vector);
});

test('any vector comes back the same, bit for bit', async () => {
  const path = join(folder(), 'any.gguf');
  const number = fc.float({ noNaN: true, noDefaultInfinity: true });
  const floatArray = (length: number): fc.Arbitrary<Float32Array> =>
    fc.array(number, { minLength: length, maxLength: length }).map((items) => Float32Array.from(items));
  const arbitrary = fc
    .record({ layers: fc.integer({ min: 1, max: 6 }), width: fc.integer({ min: 1, max: 40 }) })
    .chain(({ layers, width }) =>
      fc.record(
        {
          trait: fc.string({ minLength: 1, unit: 'grapheme' }),
          kind: fc.constantFrom('response_avg', 'prompt_avg', 'prompt_last'),
          model: fc.constant({ ...A_MODEL, layers, width }),
          directions: floatArray(layers * width),
          residualNorms: floatArray(layers),
          baseline: fc.record({
            mean: floatArray(layers),
            deviation: floatArray(layers),
            tokenDeviation: floatArray(layers),
            answers: fc.nat(1000),
          }),
          layer: fc.nat(layers - 1),
          coefficient: fc.double({ noNaN: true, noDefaultInfinity: true }),
          recipe: fc.record({ created: fc.string(), seed: fc.nat() }),
          quality: fc.record({ why: fc.string({ unit: 'grapheme' }) }),
          version: fc.string({ minLength: 1 }),
        },
        { requiredKeys: ['trait', 'kind', 'model', 'directions', 'recipe', 'quality', 'version'] },
      ),
    ) as fc.Arbitrary<PersonaVector>;
  await fc.assert(
    fc.asyncProperty(arbitrary, async (vector) => {
      await writeVector(path, vector);
      expect(await readVector(path)).toEqual(vector);
    }),
    { numRuns: 60 },
  );
});

test('llama.cpp can load it: tensors direction.1 … direction.n−1 only, all of one width, none called direction.0', async () => {
  const path = join(folder(), 'evil.gguf');
  const vector = aVector();
  await writeVector(path, vector);
  const file = await readGguf(path);
  expect([...file.tensors.keys()]).toEqual(['direction.1', 'direction.2', 'direction.3']);
  for (const [name, tensor] of file.tensors) {
    expect(tensor, name).toMatchObject({ type: 'F32', shape: [A_MODEL.width] });
    expect(await readTensor(file, name)).toEqual(direction(vector, Number(name.split('.')[1])));
  }
  expect(file.metadata.get('general.architecture')).toEqual(text('controlvector'));
  expect(file.metadata.get('controlvector.model_hint')).toEqual(text('llama'));
  expect(file.metadata.get('controlvector.layer_count')).toEqual({ type: 'u32', value: 3 });
});

test('direction is the row of a layer', () => {
  const vector = aVector();
  const { width } = vector.model;
  expect(direction(vector, 2)).toEqual(vector.directions.slice(2 * width, 3 * width));
});

describe('a broken file is refused by its name and the field', () => {
  const model = (change: object): GgufValue => text(JSON.stringify({ ...A_MODEL, ...change }));
  const cases: [string, (metadata: Map<string, GgufValue>, tensors: TensorToWrite[]) => unknown, RegExp][] = [
    ['not a vector', (m) => m.set('general.architecture', text('llama')), /general\.architecture is llama/],
    ['without an architecture', (m) => m.delete('general.architecture'), /general\.architecture is absent/],
    [
      'of another tool',
      (m) => m.delete('persona.trait'),
      /persona\.trait is absent: .* not one of this product/,
    ],
    ['of a later format', (m) => m.set('persona.format', { type: 'u32', value: 2 }), /persona\.format is 2/],
    ['without a format', (m) => m.delete('persona.format'), /persona\.format is undefined/],
    ['without a model', (m) => m.delete('persona.model'), /persona\.model is absent/],
    ['model no JSON', (m) => m.set('persona.model', text('{')), /persona\.model: not JSON/],
    ['model a list', (m) => m.set('persona.model', text('[]')), /persona\.model: expected object/],
    [
      'model without its hash',
      (m) => m.set('persona.model', model({ sha256: undefined })),
      /persona\.model: sha256/,
    ],
    ['model without its name', (m) => m.set('persona.model', model({ name: 7 })), /persona\.model: name/],
    ['model of no layers', (m) => m.set('persona.model', model({ layers: 0 })), /persona\.model: layers/],
    ['model of 10⁹ layers', (m) => m.set('persona.model', model({ layers: 1e9 })), /persona\.model: layers/],
    ['model of half a width', (m) => m.set('persona.model', model({ width: 64.5 })), /persona\.model: width/],
    [
      'model too wide for memory',
      (m) => m.set('persona.model', model({ width: 1e12 })),
      /persona\.direction_0/,
    ],
    [
      'model deeper than the file',
      (m) => m.set('persona.model', model({ layers: 5 })),
      /direction\.4 is missing/,
    ],
    ['without the first layer', (m) => m.delete('persona.direction_0'), /persona\.direction_0/],
    [
      'first layer of another width',
      (m) => m.set('persona.direction_0', floats(1, 2)),
      /persona\.direction_0 must be 64/,
    ],
    ['a layer missing', (_, t) => t.splice(1, 1), /direction\.2 is missing/],
    [
      'a layer of another width',
      (_, t) => (t[0] = { name: 'direction.1', shape: [2], type: 'F32', data: Float32Array.of(1, 2) }),
      /direction\.1 has width 2, persona\.model says 64/,
    ],
    ['NaN in a layer', (_, t) => ((t[1]!.data as Float32Array)[5] = NaN), /direction\.2 .*not finite, at 5/],
    [
      'infinity in a layer',
      (_, t) => ((t[2]!.data as Float32Array)[0] = Infinity),
      /direction\.3 .*not finite, at 0/,
    ],
    [
      'NaN in the first layer',
      (m) => m.set('persona.direction_0', floats(NaN, ...Array<number>(63).fill(1))),
      /persona\.direction_0 .*not finite, at 0/,
    ],
    [
      'a layer that the model lacks',
      (m) => m.set('persona.layer', { type: 'u32', value: 4 }),
      /persona\.layer is 4/,
    ],
    ['half a layer', (m) => m.set('persona.layer', { type: 'f32', value: 1.5 }), /persona\.layer is 1\.5/],
    ['a layer in words', (m) => m.set('persona.layer', text('two')), /persona\.layer/],
    [
      'a coefficient that is none',
      (m) => m.set('persona.coefficient', { type: 'f32', value: NaN }),
      /persona\.coefficient is NaN/,
    ],
    [
      'an unknown kind',
      (m) => m.set('persona.kind', text('middle')),
      /persona\.kind is middle, not one of response_avg/,
    ],
    ['without a kind', (m) => m.delete('persona.kind'), /persona\.kind is absent/],
    [
      'norms of too few layers',
      (m) => m.set('persona.residual_norms', floats(1)),
      /persona\.residual_norms must be 4/,
    ],
    [
      'a baseline of too few',
      (m) => m.set('persona.baseline.mean', floats(1)),
      /persona\.baseline\.mean must be 4/,
    ],
    [
      'half a baseline',
      (m) => m.delete('persona.baseline.deviation'),
      /persona\.baseline\.deviation must be 4/,
    ],
    [
      'a baseline that is none',
      (m) => m.set('persona.baseline.token_deviation', floats(1, 1, NaN, 1)),
      /persona\.baseline\.token_deviation .*not finite, at 2/,
    ],
    ['without a recipe', (m) => m.delete('persona.recipe'), /persona\.recipe is absent/],
    ['a recipe of nothing', (m) => m.set('persona.recipe', text('null')), /persona\.recipe: expected object/],
    [
      'a recipe whose trait is broken',
      (m) => m.set('persona.recipe', text('{"created":"","trait":{"name":"x"}}')),
      /persona\.recipe: trait\.\w+: /,
    ],
    [
      'a recipe whose scale is broken',
      (m) =>
        m.set(
          'persona.recipe',
          text(
            '{"created":"","calibration":{"trait":{},"coherence":{"usual":1,"deviation":0,"shuffled":2}}}',
          ),
        ),
      /persona\.recipe: calibration\.trait\.midpoint: /,
    ],
    [
      'a quality of words',
      (m) => m.set('persona.quality', text('"good"')),
      /persona\.quality: expected object/,
    ],
  ];
  test.each(cases)('%s', async (_, change, message) => {
    await expect(broken(change)).rejects.toMatchObject({
      code: expect.stringMatching(/^BAD_(VECTOR|FILE)$/),
      message: expect.stringMatching(
        new RegExp(`broken\\.gguf: .*${message.source}|broken\\.gguf: ${message.source}`),
      ),
    });
  });

  test('a file that was cut off, or is something else', async () => {
    const path = join(folder(), 'cut.gguf');
    await writeVector(path, aVector());
    const whole = readFileSync(path);
    for (const length of [0, 3, 100, whole.length - 50]) {
      writeFileSync(path, whole.subarray(0, length));
      await expect(readVector(path), String(length)).rejects.toMatchObject({
        code: 'BAD_FILE',
        message: expect.stringContaining('cut.gguf'),
      });
    }
  });
});

test('what a vector need not have may be absent', async () => {
  const path = join(folder(), 'bare.gguf');
  const { residualNorms: _r, baseline: _b, layer: _l, coefficient: _c, ...bare } = aVector();
  await writeVector(path, bare);
  const read = await readVector(path);
  expect(read).toEqual(bare);
  expect(Object.keys(read).toSorted()).toEqual(Object.keys(bare).toSorted());
});
