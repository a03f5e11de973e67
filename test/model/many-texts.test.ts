/** How many texts are worked on together, by what their caches take. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Gguf, GgufTensor } from '../../src/model/gguf.ts';
import { readGguf } from '../../src/model/gguf-read.ts';
import { cacheBytesPerToken, manyTexts, MOST } from '../../src/model/many-texts.ts';
import { TINY, writeTinyModel } from '../tiny/tiny-model.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'many-texts-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** A header of so many blocks, with keys and values of this width; 0: one tensor for both. */
function header(blocks: number, width: number, keys: number): Gguf {
  const tensor = (name: string): [string, GgufTensor] => [
    name,
    { name, shape: [width, keys], type: 'F16', offset: 0, bytes: 0 },
  ];
  const names = Array.from({ length: blocks }, (_, b) => [
    `blk.${b}.attn_k.weight`,
    `blk.${b}.attn_v.weight`,
  ]);
  return {
    path: 'some.gguf',
    version: 3,
    sizeBytes: 0,
    alignment: 32,
    metadata: new Map([
      ['general.architecture', { type: 'string', value: 'llama' }],
      ['llama.block_count', { type: 'u32', value: blocks }],
      ['llama.embedding_length', { type: 'u32', value: width }],
    ]),
    tensors: new Map(keys === 0 ? [] : names.flat().map(tensor)),
  };
}

test('a token takes its keys and values in every block', () => {
  expect(cacheBytesPerToken(header(30, 576, 192))).toBe(30 * 2 * 192 * 2); // SmolLM2-135M
  expect(cacheBytesPerToken(header(32, 4096, 1024), 'f32')).toBe(32 * 2 * 1024 * 4); // Llama 3 8B
  expect(cacheBytesPerToken(header(32, 2560, 0))).toBe(32 * 2 * 2560 * 2); // Phi 2
});

test('many texts of a small model, as many as usual of a large one or of long texts', () => {
  const small = header(30, 576, 192);
  expect(manyTexts(small, 1024)).toBe(MOST);
  expect(manyTexts(small, 2048)).toBe(34); // 1.5 GiB
  expect(manyTexts(small, 100_000)).toBe(8);
  expect(manyTexts(header(32, 4096, 1024), 1024)).toBe(12);
});

test('a written model file has what is asked of it', async () => {
  const path = join(folder, 'tiny.gguf');
  await writeTinyModel({ path, architecture: 'llama' });
  const keys = TINY.kvHeads * TINY.headWidth;
  expect(cacheBytesPerToken(await readGguf(path, { skipArraysOver: 0 }))).toBe(TINY.layers * 2 * keys * 2);
});
