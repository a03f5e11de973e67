import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { writeGguf } from '../../src/model/gguf-write.ts';
import {
  controlVectorSteering,
  parseBlockRange,
  parseControlVectors,
  parseScaledControlVectors,
  readControlVector,
} from '../../src/steer/control-vector.ts';
import { writeVector } from '../../src/vector/file.ts';
import { direction } from '../../src/vector/vector.ts';
import { A_MODEL, aVector } from '../support/a-vector.ts';
import { folder } from '../support/folder.ts';

const none = (): boolean => false;
const MODEL = { ...A_MODEL, width: 2 };

async function write(rows: Record<number, number[]>, hint?: string): Promise<string> {
  const path = join(folder(), 'cv.gguf');
  await writeGguf({
    path,
    metadata: [
      ['general.architecture', { type: 'string', value: 'controlvector' }],
      ...(hint === undefined ? [] : [['controlvector.model_hint', { type: 'string', value: hint }] as const]),
    ],
    tensors: Object.entries(rows).map(([b, data]) => ({
      name: `direction.${b}`,
      shape: [data.length],
      type: 'F32',
      data: Float32Array.from(data),
    })),
  });
  return path;
}

test('FNAME[,FNAME]', () => {
  expect(parseControlVectors('a.gguf', none)).toEqual([{ path: 'a.gguf', scale: 1 }]);
  expect(parseControlVectors('a.gguf, b.gguf', none).map(({ path }) => path)).toEqual(['a.gguf', 'b.gguf']);
  expect(parseControlVectors('a,b.gguf', (path) => path === 'a,b.gguf')).toEqual([
    { path: 'a,b.gguf', scale: 1 },
  ]);
});

test('FNAME:SCALE[,FNAME:SCALE], and the older FNAME SCALE', () => {
  expect(parseScaledControlVectors('a.gguf:0.8')).toEqual([{ path: 'a.gguf', scale: 0.8 }]);
  expect(parseScaledControlVectors('a.gguf -0.8')).toEqual([{ path: 'a.gguf', scale: -0.8 }]);
  expect(parseScaledControlVectors('C:\\v\\a.gguf:1e-1,b,c.gguf:-2')).toEqual([
    { path: 'C:\\v\\a.gguf', scale: 0.1 },
    { path: 'b,c.gguf', scale: -2 },
  ]);
  for (const text of ['a.gguf', 'a.gguf:', 'a.gguf:x', '', ':2', 'a.gguf:1,b.gguf'])
    expect(() => parseScaledControlVectors(text), text).toThrow(expect.objectContaining({ code: 'USAGE' }));
});

test('a range has two ends, from 1 on', () => {
  expect(parseBlockRange('10,31')).toEqual([10, 31]);
  expect(parseBlockRange('3 3')).toEqual([3, 3]);
  for (const text of ['10', '0,3', '5,4', '1,2,3', 'a,b', ''])
    expect(() => parseBlockRange(text), text).toThrow(expect.objectContaining({ code: 'USAGE' }));
});

test('files are summed, each times its scale, in the blocks of the range', async () => {
  const a = await readControlVector(await write({ 1: [1, 0], 2: [2, 0], 3: [3, 0] }, 'llama'));
  const b = await readControlVector(await write({ 2: [0, 1], 3: [-3, 0] }));
  const vectors = [
    { ...a, scale: 2 },
    { ...b, scale: 2 },
  ];
  const all = controlVectorSteering(vectors, undefined, MODEL);
  expect(all.edits).toEqual([
    { op: 'add', layer: 1, direction: Float32Array.of(2, 0), coefficient: 1, scope: 'all' },
    { op: 'add', layer: 2, direction: Float32Array.of(4, 2), coefficient: 1, scope: 'all' },
    // in block 3 they cancel out
  ]);
  expect(
    all.applied.map(({ vector, layer, coefficient, norm }) => [vector, layer, coefficient, norm]),
  ).toEqual([
    [a.path, 1, 2, 1],
    [a.path, 2, 2, 2],
    [a.path, 3, 2, 3],
    [b.path, 2, 2, 1],
    [b.path, 3, 2, 3],
  ]);
  const some = controlVectorSteering(vectors, [2, 9], MODEL);
  expect(some.edits.map(({ layer }) => layer)).toEqual([2]);
  expect(controlVectorSteering([], undefined, MODEL)).toEqual({ edits: [], applied: [], notes: [] });
});

test('a width that is not the model’s is refused; another architecture is told', async () => {
  const other = { ...(await readControlVector(await write({ 1: [1, 0, 0] }))), scale: 1 };
  expect(() => controlVectorSteering([other], undefined, MODEL)).toThrow(
    expect.objectContaining({ code: 'WRONG_MODEL' }),
  );
  const hinted = { ...(await readControlVector(await write({ 1: [1, 0] }, 'qwen2'))), scale: 1 };
  expect(controlVectorSteering([hinted], undefined, MODEL).notes).toEqual([expect.stringContaining('qwen2')]);
  expect(() => controlVectorSteering([hinted], [2, 3], MODEL)).toThrow('no direction in layers 2 to 3');
});

test('one of our own vectors is used from block 1 on, and refused on another model', async () => {
  const path = join(folder(), 'evil.gguf');
  const vector = aVector();
  await writeVector(path, vector);
  const own = { ...(await readControlVector(path)), scale: 1 };
  const { edits, applied } = controlVectorSteering([own], undefined, A_MODEL);
  expect(edits.map(({ layer }) => layer)).toEqual([1, 2, 3]);
  expect(edits[0]!.direction).toEqual(direction(vector, 1));
  expect(applied[0]).toMatchObject({ vector: path, trait: 'evil' });
  const stranger = { ...A_MODEL, name: 'other', sha256: 'c'.repeat(64) };
  expect(() => controlVectorSteering([own], undefined, stranger)).toThrow(
    expect.objectContaining({ code: 'WRONG_MODEL' }),
  );
});

test.each([
  ['of block 0', { 0: [1, 1], 1: [1, 1] }, 'direction.0'],
  ['of two widths', { 1: [1, 1], 2: [1, 1, 1] }, 'direction.2 has width 3'],
  ['not finite', { 1: [1, Infinity] }, 'direction.1 holds a value that is not finite'],
  ['of none', {}, 'no control vector'],
])('a file with directions %s is refused', async (_, rows, message) => {
  await expect(readControlVector(await write(rows))).rejects.toMatchObject({
    code: 'BAD_VECTOR',
    message: expect.stringContaining(message),
  });
});

test('another kind of file is refused', async () => {
  const path = join(folder(), 'x.gguf');
  writeFileSync(path, 'no gguf');
  await expect(readControlVector(path)).rejects.toMatchObject({ code: 'BAD_FILE' });
});
