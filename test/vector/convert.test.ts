/** From the files of other tools to vectors of ours and back: which row is which block is the point. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { isPersonaError } from '../../src/errors.ts';
import { readSafetensors, writeSafetensors } from '../../src/files/safetensors.ts';
import { writeGguf } from '../../src/model/gguf-write.ts';
import type { ModelIdentity } from '../../src/model/model-identity.ts';
import { blocks, readAnyVector, type Given } from '../../src/vector/convert.ts';
import type { VectorFormat } from '../../src/vector/format.ts';
import { readTorch } from '../../src/vector/torch/read.ts';
import {
  type TorchTensor,
  tensorFloats,
  torchTensor,
  type TorchValue,
} from '../../src/vector/torch/value.ts';
import { writeTorch } from '../../src/vector/torch/write.ts';
import { direction, type PersonaVector } from '../../src/vector/vector.ts';
import { writeVectorAs } from '../../src/vector/write-as.ts';
import { A_MODEL, aVector } from '../support/a-vector.ts';
import { folder } from '../support/folder.ts';

const fixture = (name: string): string => new URL(`./fixtures/${name}.pt`, import.meta.url).pathname;
/** Of the fixtures: 4 layers of width 8. */
const SMALL: ModelIdentity = { ...A_MODEL, layers: 4, width: 8 };
const given = (more: Partial<Given> = {}): Given => ({
  model: () => Promise.resolve(SMALL),
  trait: 'evil',
  ...more,
});

function planted(row: number): number[] {
  return Array.from({ length: 8 }, (_, j) => ((((row * 8 + j) * 37) % 251) - 125) / 16);
}

async function failure(
  path: string,
  more: Partial<Given> = {},
): Promise<{ code: string; message: string; remedy?: string | undefined }> {
  const error: unknown = await readAnyVector(path, given(more)).catch((e: unknown) => e);
  if (!isPersonaError(error)) throw new Error('expected a PersonaError', { cause: error });
  expect(error.message).toContain(path);
  return error;
}

async function torchFile(value: TorchValue): Promise<string> {
  const path = join(folder(), 'x.pt');
  await writeTorch(path, value);
  return path;
}
const ramp = (rows: number, width = 8): TorchTensor =>
  torchTensor(
    [rows, width],
    Float32Array.from({ length: rows * width }, (_, i) => 1 + i),
  );

test('a reference .pt: row L is block L − 1, and the last row is marked', async () => {
  const { vector, notes } = await readAnyVector(fixture('float32'), given({ layer: 2, coefficient: 1.5 }));
  for (let b = 0; b < 4; b++) expect(Array.from(direction(vector, b))).toEqual(planted(b + 1));
  expect(notes).toEqual([
    'row L is block L − 1: row 0 (embeddings) left out',
    'row 4 lies after the final norm: block 3 is marked, do not steer there',
    'taken to be the mean over answer tokens (response_avg); say otherwise with --kind',
  ]);
  expect(vector).toMatchObject({
    trait: 'evil',
    kind: 'response_avg',
    model: SMALL,
    layer: 2,
    coefficient: 1.5,
  });
  expect(vector.recipe.converted).toMatchObject({
    from: 'pt',
    file: 'float32.pt',
    missing: [],
    afterFinalNorm: 3,
  });
  expect(vector.recipe.converted?.sha256).toMatch(/^[0-9a-f]{64}$/);
  const chosen = await readAnyVector(fixture('float32'), given({ layer: 3 }));
  expect(chosen.notes).toContain('layer 3 was chosen, but its row lies after the final norm');
});

test("the reference's file name says trait and kind", async () => {
  const path = join(folder(), 'sycophantic_prompt_last_diff.pt');
  await writeTorch(path, ramp(5));
  const { vector } = await readAnyVector(path, given({ trait: undefined }));
  expect(vector).toMatchObject({ trait: 'sycophantic', kind: 'prompt_last' });
});

test('a role of assistant-axis: row b is block b', async () => {
  const { vector, notes } = await readAnyVector(fixture('role'), given({ trait: undefined }));
  expect(vector.trait).toBe('pirate');
  for (let b = 0; b < 4; b++) expect(Array.from(direction(vector, b))).toEqual(planted(b));
  expect(notes[0]).toBe('row b is block b');
  const bare = await torchFile(ramp(4));
  expect((await failure(bare)).remedy).toContain('--from assistant-axis');
  const axis = await readAnyVector(bare, given({ from: 'assistant-axis' }));
  expect(direction(axis.vector, 0)[0]).toBe(1);
});

test('caps of assistant-axis: directions and bounds of one experiment', async () => {
  const { remedy } = await failure(fixture('capping'));
  expect(remedy).toBe('Choose one with --experiment. There are "layers_1:3-p0.25", "layers_2:3-p0.5".');
  const { vector } = await readAnyVector(fixture('capping'), given({ experiment: 'layers_1:3-p0.25' }));
  expect(Array.from(direction(vector, 1))).toEqual(planted(1));
  expect(Array.from(direction(vector, 2))).toEqual(planted(2));
  expect(vector.recipe.converted).toMatchObject({
    missing: [0, 3],
    caps: [
      { layer: 1, cap: -1.5 },
      { layer: 2, cap: -3 },
    ],
  });
});

test('a control vector of another tool: direction.N is block N, what lacks is zero', async () => {
  const path = join(folder(), 'repeng.gguf');
  const row = Float32Array.from({ length: 8 }, (_, i) => i + 1);
  await writeGguf({
    path,
    metadata: [
      ['general.architecture', { type: 'string', value: 'controlvector' }],
      ['controlvector.model_hint', { type: 'string', value: 'llama' }],
    ],
    tensors: [{ name: 'direction.2', shape: [8], type: 'F32', data: row }],
  });
  const { vector, notes } = await readAnyVector(path, given());
  expect(direction(vector, 2)).toEqual(row);
  expect(notes).toContain('no direction for blocks 0–1, 3: zero');
  expect(notes).toContain('made for llama, as the file says');
  const short = { ...SMALL, layers: 2 };
  expect((await failure(path, { model: () => Promise.resolve(short) })).message).toContain(
    'a direction for block 2; the model has blocks 0 to 1',
  );
});

test.each(['direction.', 'layer_', ''])('safetensors with one tensor a block: %sN', async (prefix) => {
  const path = join(folder(), 'x.safetensors');
  const rows = [3, 1].map((b) => ({ name: `${prefix}${b}`, shape: [8], data: new Float32Array(8).fill(b) }));
  await writeSafetensors(path, rows);
  const { vector } = await readAnyVector(path, given());
  expect([0, 1, 2, 3].map((b) => direction(vector, b)[7])).toEqual([0, 1, 0, 3]);
});

test('safetensors with one matrix, with or without a row of embeddings', async () => {
  const path = join(folder(), 'x.safetensors');
  for (const rows of [4, 5]) {
    const { shape } = ramp(rows);
    const data = tensorFloats(ramp(rows), path, 'v');
    await writeSafetensors(path, [{ name: 'v', shape, data }, { name: 'b', shape: [1], data: data.subarray(0, 1) }]); // prettier-ignore
    const { vector } = await readAnyVector(path, given());
    expect(direction(vector, 0)[0]).toBe(rows === 4 ? 1 : 9);
  }
  await writeSafetensors(path, [{ name: 'v', shape: [3, 8], data: new Float32Array(24) }]);
  expect(await failure(path)).toMatchObject({
    code: 'WRONG_MODEL',
    message: expect.stringContaining('3 rows'),
  });
});

test('nested dictionaries: the only matrix, or the one that was named', async () => {
  const path = await torchFile(new Map<string, TorchValue>([
    ['a', new Map([['b', ramp(5)]])],
    ['mean', torchTensor([8], new Float32Array(8))],
  ])); // prettier-ignore
  expect(direction((await readAnyVector(path, given())).vector, 0)[0]).toBe(9);
  const two = await torchFile(new Map([['a', ramp(5)], ['b', ramp(5)]])); // prettier-ignore
  expect((await failure(two)).remedy).toBe('Choose one with --tensor. There are "a", "b".');
  expect(direction((await readAnyVector(two, given({ tensor: 'b' }))).vector, 0)[0]).toBe(9);
  expect((await failure(two, { tensor: 'c' })).remedy).toContain('"a", "b"');
});

test('what lacks or does not fit is said', async () => {
  const path = fixture('float32');
  expect(await failure(path, { model: () => Promise.resolve(undefined) })).toMatchObject({ code: 'USAGE', remedy: expect.stringContaining('--model') }); // prettier-ignore
  expect((await failure(path, { trait: undefined })).remedy).toContain('--trait');
  const other = { ...SMALL, width: 16 };
  expect((await failure(path, { model: () => Promise.resolve(other) })).message).toContain(
    'width 8; the model has 16',
  );
  const deeper = { ...SMALL, layers: 9 };
  expect((await failure(path, { model: () => Promise.resolve(deeper) })).message).toContain(
    '5 rows; a model of 9 layers',
  );
  const error: unknown = await readAnyVector(path, given({ layer: 4 })).catch((e: unknown) => e);
  expect(error).toMatchObject({ code: 'USAGE', message: expect.stringContaining('layers 0 to 3') });
  const strange = await torchFile(torchTensor([5, 8], new Float32Array(40).fill(NaN, 13, 14)));
  expect((await failure(strange)).message).toContain('not finite, at 13');
  const unknown = join(folder(), 'x.bin');
  writeFileSync(unknown, '');
  expect(await failure(unknown)).toMatchObject({ code: 'USAGE', remedy: expect.stringContaining('--from') });
});

const LOSSLESS: VectorFormat[] = ['gguf', 'safetensors'];
test.each(LOSSLESS)('%s keeps all that a vector is', async (format) => {
  const path = join(folder(), `x.${format}`);
  const { baseline: _, residualNorms: __, layer: ___, coefficient: ____, ...bare } = aVector();
  const vectors: PersonaVector[] = [aVector({ coefficient: 0.1 }), bare];
  for (const vector of vectors) {
    await writeVectorAs(path, vector, format);
    expect(
      (await readAnyVector(path, given({ trait: undefined, model: () => Promise.resolve(undefined) })))
        .vector,
    ).toEqual(vector);
  }
});

test.each([
  ['pt', 'x.pt'],
  ['assistant-axis', 'x.pt'],
  ['cvector', 'x.gguf'],
] as [VectorFormat, string][])('%s keeps the directions', async (format, name) => {
  const path = join(folder(), name);
  const vector = aVector();
  await writeVectorAs(path, vector, format);
  const back = await readAnyVector(path, given({ from: format, model: () => Promise.resolve(A_MODEL) }));
  const expected = Float32Array.from(vector.directions);
  if (format === 'cvector') expected.fill(0, 0, vector.model.width);
  expect(back.vector.directions).toEqual(expected);
});

test('a written .pt has a row of zeros for the embeddings', async () => {
  const path = join(folder(), 'x.pt');
  const notes = await writeVectorAs(path, aVector(), 'pt');
  const tensor = (await readTorch(path)) as TorchTensor;
  expect(tensor.shape).toEqual([5, 64]);
  expect(
    tensorFloats(tensor, path, '')
      .subarray(0, 64)
      .every((x) => x === 0),
  ).toBe(true);
  expect(notes[1]).toBe("row 4 lies before the final norm; in the reference's own files it lies after it");
});

test('safetensors headers that lie are refused', async () => {
  const path = join(folder(), 'x.safetensors');
  const write = (header: unknown, numbers = 32, length?: bigint): void => {
    const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
    const head = Buffer.alloc(8);
    head.writeBigUInt64LE(length ?? BigInt(text.length));
    writeFileSync(path, Buffer.concat([head, text, Buffer.alloc(numbers)]));
  };
  const said = async (): Promise<string> => {
    const error: unknown = await readSafetensors(path).catch((e: unknown) => e);
    if (!isPersonaError(error)) throw new Error('expected a PersonaError', { cause: error });
    expect(error.message).toContain(path);
    return error.message;
  };
  const tensor = (begin: number, end: number, shape = [8], dtype = 'F32'): object => ({ dtype, shape, data_offsets: [begin, end] }); // prettier-ignore
  write({}, 0, 2n ** 60n);
  expect(await said()).toContain('1152921504606846976 bytes, expected at most 2');
  write({ a: tensor(0, 36, [9]) });
  expect(await said()).toContain('a: data_offsets [0, 36] of 32 bytes');
  write({ a: tensor(32, 0) });
  expect(await said()).toContain('data_offsets [32, 0]');
  write({ a: tensor(0, 32, [9]) });
  expect(await said()).toContain('32 bytes for a shape [9] of F32');
  write({ a: tensor(0, 16, [4]), b: tensor(12, 28, [4]) });
  expect(await said()).toContain('b lies on a');
  write({ a: tensor(-4, 28) });
  expect(await said()).toContain('data_offsets[0]');
  write({ a: { ...tensor(0, 32), shape: 'x' } });
  expect(await said()).toContain('a: shape: expected array');
  write('{"a":', 0);
  expect(await said()).toContain('header: not JSON');
  writeFileSync(path, 'abc');
  expect(await said()).toContain(path);
});

test('blocks are told in ranges', () => {
  expect(blocks([0, 5, 6, 7])).toBe('blocks 0, 5–7');
  expect(blocks([3])).toBe('block 3');
});
