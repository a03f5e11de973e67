/** Adapters as GGUF: what is written reads as it was, files of others as llama.cpp takes them, bad ones by their fields. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TARGETS } from '../../src/engine/training/architecture.ts';
import type { GgufValue } from '../../src/model/gguf.ts';
import { readGguf } from '../../src/model/gguf-read.ts';
import { writeGguf, type TensorToWrite } from '../../src/model/gguf-write.ts';
import { adapterScale, type Adapter } from '../../src/train/adapter.ts';
import { readAdapterGguf, readProvenance, writeAdapterGguf } from '../../src/train/adapter-gguf.ts';
import { folder } from '../support/folder.ts';
import { writeTinyLora } from '../tiny/tiny-lora.ts';
import { anAdapter } from './an-adapter.ts';

const text = (value: string): GgufValue => ({ type: 'string', value });
const f32 = (value: number): GgufValue => ({ type: 'f32', value });

const anyAdapter = fc
  .record({
    layers: fc.integer({ min: 1, max: 3 }),
    width: fc.integer({ min: 1, max: 9 }),
    heads: fc.integer({ min: 1, max: 3 }),
    kvHeads: fc.integer({ min: 1, max: 2 }),
    headWidth: fc.integer({ min: 1, max: 4 }),
    feedForward: fc.integer({ min: 1, max: 9 }),
    rank: fc.integer({ min: 1, max: 33 }),
    alpha: fc.double({ min: -1e4, max: 1e4, noNaN: true }).filter((x) => Math.abs(x) > 1e-4),
    rslora: fc.boolean(),
    targets: fc.subarray([...TARGETS], { minLength: 1 }),
    seed: fc.nat(),
  })
  .map((shape) => anAdapter(shape));

test('what is written reads as it was, and llama.cpp has the same scale', async () => {
  const path = join(folder(), 'a.gguf');
  await fc.assert(
    fc.asyncProperty(anyAdapter, async (adapter) => {
      await writeAdapterGguf(path, adapter);
      expect(await readAdapterGguf(path)).toEqual(adapter);
      const { metadata } = await readGguf(path);
      const alpha = metadata.get('adapter.lora.alpha') as { type: 'f32'; value: number };
      expect(alpha.value / adapter.rank / adapterScale(adapter)).toBeCloseTo(1, 6);
    }),
    { numRuns: 60 },
  );
});

test('the same adapter gives the same bytes; what trained it is kept', async () => {
  const home = folder();
  const [one, two] = [join(home, '1.gguf'), join(home, '2.gguf')];
  const provenance = { data: 'a.jsonl', steps: '160' };
  for (const path of [one, two]) await writeAdapterGguf(path, anAdapter(), { provenance });
  expect(readFileSync(one).equals(readFileSync(two))).toBe(true);
  expect(await readProvenance(one)).toEqual(provenance);
});

test('an adapter of others: plain alpha, and as many blocks as it changes', async () => {
  const home = folder();
  const [adapter, merged] = [join(home, 'a.gguf'), join(home, 'm.gguf')];
  await writeTinyLora({ adapter, merged, architecture: 'qwen3', rank: 3, alpha: 6 });
  const found = await readAdapterGguf(adapter);
  expect(found).toMatchObject({ architecture: 'qwen3', layers: 4, rank: 3, alpha: 6, rslora: false });
  expect(found.targets).toEqual(['attn_q', 'attn_output', 'ffn_down']);
});

/** A file of others, as their converters write it. */
interface Foreign {
  metadata?: Record<string, GgufValue | undefined>;
  tensors?: TensorToWrite[];
}

const half = (name: string, columns: number, rows: number, first = 1): TensorToWrite => ({
  name,
  shape: [columns, rows],
  type: 'F32',
  data: Float32Array.from({ length: columns * rows }, (_, i) => first + i),
});
const PAIR = [half('blk.0.attn_q.weight.lora_a', 4, 2), half('blk.0.attn_q.weight.lora_b', 2, 6)];

async function foreign(path: string, { metadata = {}, tensors = PAIR }: Foreign): Promise<Adapter> {
  const all: Record<string, GgufValue | undefined> = {
    'general.architecture': text('llama'),
    'general.type': text('adapter'),
    'adapter.type': text('lora'),
    'adapter.lora.alpha': f32(8),
    ...metadata,
  };
  const given = Object.entries(all).flatMap(([key, value]): [string, GgufValue][] =>
    value ? [[key, value]] : [],
  );
  await writeGguf({ path, metadata: given, tensors });
  return readAdapterGguf(path);
}

test('without an alpha, and with 0, the scale is 1, as in llama.cpp', async () => {
  const path = join(folder(), 'a.gguf');
  for (const alpha of [undefined, f32(0)])
    expect(adapterScale(await foreign(path, { metadata: { 'adapter.lora.alpha': alpha } }))).toBe(1);
});

test('halves and Q8_0 are widened', async () => {
  const path = join(folder(), 'a.gguf');
  const block = new Uint8Array(34); // 0.5 × 0, 1, …, 31
  new DataView(block.buffer).setFloat16(0, 0.5, true);
  for (let i = 0; i < 32; i++) block[2 + i] = i;
  block[2 + 31] = 256 - 3;
  const { factors } = await foreign(path, {
    tensors: [
      { name: 'blk.1.ffn_up.weight.lora_a', shape: [32, 1], type: 'Q8_0', data: block },
      { name: 'blk.1.ffn_up.weight.lora_b', shape: [1, 2], type: 'F16', data: Float16Array.of(0.25, -2) },
    ],
  });
  const { a, b } = factors.get('blk.1.ffn_up')!;
  expect([...a]).toEqual([...Array.from({ length: 31 }, (_, i) => i / 2), -1.5]);
  expect([...b]).toEqual([0.25, -2]);
});

test.each([8, 0])('several ranks become one, with the same products (alpha %d)', async (alpha) => {
  const found = await foreign(join(folder(), 'a.gguf'), {
    metadata: { 'adapter.lora.alpha': f32(alpha) },
    tensors: [
      ...PAIR,
      half('blk.0.attn_v.weight.lora_a', 4, 1, 3),
      half('blk.0.attn_v.weight.lora_b', 1, 3, 2),
    ],
  });
  expect(found.rank).toBe(2);
  const { a, b } = found.factors.get('blk.0.attn_v')!;
  const scale = adapterScale(found);
  for (let o = 0; o < 3; o++)
    for (let i = 0; i < 4; i++) {
      const product = scale * (b[o * 2]! * a[i]! + b[o * 2 + 1]! * a[4 + i]!);
      expect(product).toBeCloseTo((alpha === 0 ? 1 : alpha / 1) * (2 + o) * (3 + i));
    }
});

describe('bad files are named with the field', () => {
  const nan = { ...PAIR[1]!, data: Float32Array.from({ length: 12 }, (_, i) => (i === 7 ? Number.NaN : i)) };
  const own = {
    'persona.format': { type: 'u32', value: 1 },
    'persona.lora.rank': { type: 'u32', value: 2 },
    'persona.lora.alpha': { type: 'f64', value: 8 },
    'persona.lora.rslora': { type: 'bool', value: false },
    'persona.lora.layers': { type: 'u32', value: 1 },
  } as const satisfies Record<string, GgufValue>;
  test.each<[string, Foreign, RegExp]>([
    ['no adapter', { metadata: { 'general.type': text('model') } }, /this is no LoRA adapter/],
    [
      'no architecture',
      { metadata: { 'general.architecture': undefined } },
      /general\.architecture is absent/,
    ],
    ['A alone', { tensors: [PAIR[0]!] }, /blk\.0\.attn_q\.weight\.lora_a has no B/],
    ['B alone', { tensors: [PAIR[1]!] }, /blk\.0\.attn_q\.weight\.lora_b has no A/],
    ['nothing', { tensors: [] }, /no factors/],
    [
      'other ranks',
      { tensors: [PAIR[0]!, half('blk.0.attn_q.weight.lora_b', 3, 6)] },
      /lora_a has rank 2, blk\.0\.attn_q\.weight\.lora_b has rank 3/,
    ],
    ['NaN', { tensors: [PAIR[0]!, nan] }, /blk\.0\.attn_q\.weight\.lora_b .* not finite, at 7/],
    [
      'another width',
      {
        tensors: [
          ...PAIR,
          half('blk.1.ffn_up.weight.lora_a', 5, 2),
          half('blk.1.ffn_up.weight.lora_b', 2, 6),
        ],
      },
      /blk\.1\.ffn_up\.weight\.lora_a is 5 wide, blk\.0\.attn_q\.weight\.lora_a is 4/,
    ],
    [
      'an embedding',
      { tensors: [half('token_embd.weight.lora_a', 4, 2)] },
      /token_embd\.weight\.lora_a is of no/,
    ],
    [
      'a norm',
      { tensors: [...PAIR, half('blk.0.attn_norm.weight', 4, 1)] },
      /blk\.0\.attn_norm\.weight is of no/,
    ],
    ['an alpha of another type', { metadata: { 'adapter.lora.alpha': { type: 'u32', value: 8 } } }, /f32/],
    [
      'certain tokens',
      {
        metadata: {
          'adapter.alora.invocation_tokens': { type: 'array', of: 'u32', items: Uint32Array.of(1) },
        },
      },
      /adapter\.alora\.invocation_tokens/,
    ],
    [
      'a later format',
      { metadata: { ...own, 'persona.format': { type: 'u32', value: 2 } } },
      /persona\.format is 2/,
    ],
    [
      'another rank',
      { metadata: { ...own, 'persona.lora.rank': { type: 'u32', value: 4 } } },
      /persona\.lora\.rank is 4/,
    ],
    [
      'another alpha',
      { metadata: { ...own, 'persona.lora.alpha': { type: 'f64', value: 9 } } },
      /adapter\.lora\.alpha is 8, but persona\.lora\.alpha 9/,
    ],
    [
      'fewer blocks',
      { metadata: { ...own, 'persona.lora.layers': { type: 'u32', value: 0 } } },
      /persona\.lora\.layers is 0/,
    ],
  ])('%s', async (_, file, words) => {
    const path = join(folder(), 'bad.gguf');
    await expect(foreign(path, file)).rejects.toThrow(words);
    await expect(foreign(path, file)).rejects.toThrow(/bad\.gguf/);
  });

  test('the same keys as ours, sound, are read', async () => {
    expect(await foreign(join(folder(), 'a.gguf'), { metadata: own })).toMatchObject({ rank: 2, alpha: 8 });
  });
});

test.each<[string, (adapter: Adapter) => Adapter, RegExp]>([
  ['rank', (a) => ({ ...a, rank: 0 }), /rank is 0/],
  ['alpha', (a) => ({ ...a, alpha: 0 }), /alpha is 0/],
  ['no factors', (a) => ({ ...a, factors: new Map() }), /factors are none/],
  ['blocks', (a) => ({ ...a, layers: 2 }), /blk\.2\.attn_q/],
  ['targets', (a) => ({ ...a, targets: ['attn_q'] }), /blk\.0\.attn_k/],
  [
    'length',
    (a) => ({
      ...a,
      factors: new Map([['blk.0.attn_q', { a: new Float32Array(7), b: new Float32Array(3) }]]),
    }),
    /A of blk\.0\.attn_q has 7 numbers, at rank 3/,
  ],
  [
    'NaN',
    (a) => ({
      ...a,
      factors: new Map([['blk.0.attn_q', { a: new Float32Array(3), b: Float32Array.of(0, Infinity, 0) }]]),
    }),
    /B of blk\.0\.attn_q .* not finite, at 1/,
  ],
])('an adapter that does not hold together is not written: %s', async (_, change, words) => {
  const path = join(folder(), 'a.gguf');
  await expect(writeAdapterGguf(path, change(anAdapter()))).rejects.toThrow(words);
  await expect(readGguf(path)).rejects.toThrow(/no such file/);
});
