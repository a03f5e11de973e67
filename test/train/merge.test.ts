/** Merged models: they compute as llama.cpp does with the adapter beside the model, and what is added outlives the packing. */

import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { openMerger, type Merger } from '../../src/engine/merge-matrix.ts';
import { openEngine } from '../../src/engine/engine.ts';
import type { EngineRequest } from '../../src/engine/request.ts';
import { GGML_TYPES, type GgmlType, type GgufValue } from '../../src/model/gguf.ts';
import { readGguf, readTensorBytes } from '../../src/model/gguf-read.ts';
import { writeGguf } from '../../src/model/gguf-write.ts';
import { readAdapterGguf, writeAdapterGguf } from '../../src/train/adapter-gguf.ts';
import { mergeAdapter } from '../../src/train/merge.ts';
import { expectApart, expectClose, likelihoods } from '../engine/tiny-engine.ts';
import { TINY_OPTIONS } from '../engine/tiny-values.ts';
import { folder } from '../support/folder.ts';
import { noise, noiseArray } from '../tiny/noise.ts';
import { writeTinyModel, type TinyArchitecture } from '../tiny/tiny-model.ts';
import { anAdapter, workedIn } from './an-adapter.ts';
import { unpack } from './unpack.ts';

const REQUEST: EngineRequest = {
  prompt: 'Some words before.',
  maxTokens: 16,
  sampling: { temperature: 0 },
  ignoreEnd: true,
  topLogprobs: 5,
  means: { layers: 'all', kinds: ['response_avg', 'prompt_avg'] },
};

interface Paths {
  base: string;
  lora: string;
  out: string;
}

async function tiny(architecture: TinyArchitecture): Promise<Paths> {
  const home = folder();
  const base = join(home, 'base.gguf');
  await writeTinyModel({ path: base, architecture });
  return { base, lora: join(home, 'lora.gguf'), out: join(home, 'merged.gguf') };
}

test.each([
  ['llama', { rslora: true, rank: 5, alpha: 3 }],
  ['qwen2', { rslora: false, rank: 2, alpha: -4 }],
  ['qwen3', { rslora: true, rank: 1, alpha: 2 }],
  ['gemma3', { rslora: false, rank: 5, alpha: 6 }],
] as const)("%s computes as with llama.cpp's own loader: %j", async (architecture, shape) => {
  const { base, lora, out } = await tiny(architecture);
  const adapter = anAdapter({ architecture, ...shape });
  await writeAdapterGguf(lora, adapter);
  await mergeAdapter(base, await readAdapterGguf(lora), out, { threads: 2 });
  const run = async (options: object) => {
    await using engine = await openEngine({ ...TINY_OPTIONS, modelPath: base, ...options });
    return await engine.run(REQUEST);
  };
  const plain = await run({});
  const beside = await run({ loras: [{ path: lora }] });
  const merged = await run({ modelPath: out });
  expect(merged.tokens).toEqual(beside.tokens);
  expectClose(likelihoods(merged), likelihoods(beside), 2e-3, 'log-probabilities');
  for (const kind of ['response_avg', 'prompt_avg'] as const) {
    expectClose(merged.means![kind], beside.means![kind], 2e-3, kind);
    expectApart(merged.means![kind]!, plain.means![kind]!);
  }
});

test('what the adapter does not change is the same byte for byte, metadata too', async () => {
  const { base, out } = await tiny('llama');
  const adapter = anAdapter({ targets: ['attn_v', 'ffn_down'] });
  const seen: number[] = [];
  await mergeAdapter(base, adapter, out, {
    threads: 1,
    provenance: { data: 'a.jsonl' },
    chatTemplate: 'a template',
    onProgress: ({ done, total }) => seen.push(done / total!),
  });
  const [before, after] = [await readGguf(base), await readGguf(out)];
  expect([...after.tensors.keys()]).toEqual([...before.tensors.keys()]);
  for (const name of before.tensors.keys()) {
    const [old, made] = [await readTensorBytes(before, name), await readTensorBytes(after, name)];
    expect(Buffer.from(old).equals(made), name).toBe(!/(attn_v|ffn_down)\.weight$/.test(name));
  }
  for (const [key, value] of before.metadata)
    if (key !== 'tokenizer.chat_template') expect(after.metadata.get(key), key).toEqual(value);
  expect(after.metadata.get('tokenizer.chat_template')).toEqual({ type: 'string', value: 'a template' });
  expect(after.metadata.get('persona.merge.0.base')).toEqual({ type: 'string', value: 'base.gguf' });
  expect(after.metadata.get('persona.merge.0.provenance.data')).toEqual({ type: 'string', value: 'a.jsonl' });
  expect(seen.at(-1)).toBe(1);
  expect(seen).toEqual(seen.toSorted((a, b) => a - b));
  expect(seen.length).toBe(before.tensors.size);

  const again = join(folder(), 'again.gguf');
  await mergeAdapter(out, adapter, again, { threads: 2 });
  expect((await readGguf(again)).metadata.get('persona.merge.1.base')).toEqual({
    type: 'string',
    value: 'merged.gguf',
  });
});

/** Root-mean-square error of packing unit noise, of 1, as ggml's types have it; with a third to spare. */
const LOSS: Partial<Record<GgmlType, number>> = {
  F32: 1e-6,
  F16: 4e-4,
  BF16: 3e-3,
  Q8_0: 8e-3,
  Q6_K: 0.025,
  Q5_K: 0.05,
  Q5_1: 0.05,
  Q5_0: 0.06,
  Q4_K: 0.1,
  Q4_1: 0.1,
  Q4_0: 0.12,
  Q3_K: 0.2,
  Q2_K: 0.4,
};

/** More is lost in a single weight by rounding up or down by chance than to the nearest: half a step for a quarter. */
const DITHERED = 2;

test.each(Object.entries(LOSS) as [GgmlType, number][])(
  '%s: any shape is merged within %d of the type',
  async (type, loss) => {
    const { id, blockSize } = GGML_TYPES[type];
    await using merger = openMerger({ threads: 2 });
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          blocks: fc.integer({ min: 1, max: 3 }),
          rows: fc.integer({ min: 1, max: 40 }),
          rank: fc.integer({ min: 1, max: 40 }),
          scale: fc.double({ min: -2, max: 2, noNaN: true }),
          seed: fc.nat(),
        }),
        async ({ blocks, rows, rank, scale, seed }) => {
          const inputs = Math.max(32, blockSize) * blocks;
          const next = noise(seed);
          const numbers = noiseArray(next, rows * inputs, 1);
          const weights = await pack(merger, type, numbers, inputs);
          const before = unpack(type, weights);
          expectNear(before, numbers, loss);
          const a = noiseArray(next, rank * inputs, 1);
          const b = noiseArray(next, rows * rank, 1 / Math.sqrt(rank));
          const after = unpack(
            type,
            await merger.merge({ type: id, inputs, rows, weights, rank, a, b, scale, seed }),
          );
          const meant = workedIn({ rank, alpha: scale * rank, rslora: false, a, b }, before);
          expectNear(after, meant, DITHERED * loss);
        },
      ),
      { numRuns: 10 },
    );
  },
  60_000,
);

/** Packs numbers by working them into zeros: rank as many as rows, B the identity. */
async function pack(
  merger: Merger,
  type: GgmlType,
  numbers: Float32Array,
  inputs: number,
): Promise<Uint8Array> {
  const { id, blockSize, blockBytes } = GGML_TYPES[type];
  const rows = numbers.length / inputs;
  return await merger.merge({
    type: id,
    inputs,
    rows,
    weights: new Uint8Array((numbers.length / blockSize) * blockBytes),
    rank: rows,
    a: numbers,
    b: Float32Array.from({ length: rows * rows }, (_, i) => (i % (rows + 1) === 0 ? 1 : 0)),
    scale: 1,
    seed: 1,
  });
}

test.each(Object.keys(LOSS) as GgmlType[])(
  '%s: a change far below the step of the type is not lost',
  async (type) => {
    const [inputs, rows, rank] = [512, 128, 4];
    await using merger = openMerger({ threads: 2 });
    const next = noise(3);
    const weights = await pack(merger, type, noiseArray(next, rows * inputs, 1), inputs);
    const a = noiseArray(next, rank * inputs, 1);
    const b = noiseArray(next, rows * rank, 1 / Math.sqrt(rank));
    // a twentieth of the error of packing, or so: rounded to the nearest, hardly any weight would move
    const change = { type: GGML_TYPES[type].id, inputs, rows, weights, rank, a, b, seed: 7 };
    const scale = LOSS[type]! / 20;
    const [without, merged, again] = [
      await merger.merge({ ...change, scale: 0 }),
      await merger.merge({ ...change, scale }),
      await merger.merge({ ...change, scale }),
    ];
    expect(Buffer.from(merged).equals(again)).toBe(true);
    const [before, after] = [unpack(type, without), unpack(type, merged)];
    const zero = new Float32Array(rows * inputs);
    const meant = workedIn({ rank, alpha: scale * rank, rslora: false, a, b }, zero);
    let [along, size] = [0, 0];
    for (let i = 0; i < meant.length; i++) {
      along += (after[i]! - before[i]!) * meant[i]!;
      size += meant[i]! ** 2;
    }
    expect(along / size).toBeGreaterThan(0.85);
    expect(along / size).toBeLessThan(1.15);
  },
);

function expectNear(found: ArrayLike<number>, expected: ArrayLike<number>, loss: number): void {
  let [error, size] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    error += (found[i]! - expected[i]!) ** 2;
    size += expected[i]! ** 2;
  }
  expect(found.length).toBe(expected.length);
  expect(Math.sqrt(error / size)).toBeLessThan(loss);
}

describe('what cannot be merged is named, and nothing is left behind', () => {
  type Change = (adapter: ReturnType<typeof anAdapter>) => ReturnType<typeof anAdapter>;
  test.each<[string, Change, RegExp]>([
    [
      'another architecture',
      (a) => ({ ...a, architecture: 'qwen2' }),
      /base\.gguf: an adapter for qwen2; the model is llama/,
    ],
    ['more blocks', () => anAdapter({ layers: 5 }), /an adapter of 5 blocks; the model has 4/],
    [
      'another width',
      () => anAdapter({ width: 32 }),
      /blk\.0\.attn_q\.weight is \[64, 64\], the adapter's factors are of \[32, 64\]/,
    ],
    ['other heads', () => anAdapter({ kvHeads: 1 }), /blk\.0\.attn_k\.weight is \[64, 32\].*\[64, 16\]/],
    [
      'a value that is not finite',
      (a) => {
        a.factors.get('blk.2.ffn_up')!.b[4] = Number.NaN;
        return a;
      },
      /B of blk\.2\.ffn_up holds a value that is not finite, at 4/,
    ],
    [
      'a sum that is not finite',
      (a) => {
        a.factors.get('blk.2.ffn_up')!.b.fill(3e38);
        a.factors.get('blk.2.ffn_up')!.a.fill(3e38);
        return a;
      },
      /base\.gguf: blk\.2\.ffn_up\.weight: a merged weight is not finite/,
    ],
  ])('%s', async (_, change, words) => {
    const { base, out } = await tiny('llama');
    await expect(mergeAdapter(base, change(anAdapter()), out, { threads: 1 })).rejects.toThrow(words);
    expect(existsSync(out)).toBe(false);
    expect(readdirSync(join(out, '..'))).toEqual(['base.gguf']);
  });

  test('a type that cannot be packed without knowing which weights matter', async () => {
    const path = join(folder(), 'iq.gguf');
    const { blockBytes, blockSize } = GGML_TYPES.IQ2_XS;
    await writeGguf({
      path,
      metadata: [
        ['general.architecture', { type: 'string', value: 'llama' }],
        ['llama.block_count', { type: 'u32', value: 1 }],
      ] satisfies [string, GgufValue][],
      tensors: [
        {
          name: 'blk.0.attn_v.weight',
          shape: [blockSize, 1],
          type: 'IQ2_XS',
          data: new Uint8Array(blockBytes),
        },
      ],
    });
    const adapter = anAdapter({ layers: 1, width: blockSize, kvHeads: 1, headWidth: 1, targets: ['attn_v'] });
    const merging = mergeAdapter(path, adapter, `${path}.out`);
    await expect(merging).rejects.toThrow(/iq\.gguf: blk\.0\.attn_v\.weight is IQ2_XS/);
    await expect(merging).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      remedy: expect.stringMatching(/Q8_0.*--lora/),
    });
  });

  test('onto the model itself, and a model that is not there', async () => {
    const { base, out } = await tiny('llama');
    await expect(mergeAdapter(base, anAdapter(), base)).rejects.toThrow(/this is the base model itself/);
    await expect(mergeAdapter(out, anAdapter(), base)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('stopped on the way', async () => {
    const { base, out } = await tiny('llama');
    const stop = new AbortController();
    const merging = mergeAdapter(base, anAdapter(), out, {
      threads: 1,
      signal: stop.signal,
      onProgress: ({ done, total }) => done > total! / 2 && stop.abort(),
    });
    await expect(merging).rejects.toMatchObject({ code: 'ABORTED' });
    expect(readdirSync(join(out, '..'))).toEqual(['base.gguf']);
  });

  test('a process that dies says so', async () => {
    await using merger = openMerger({ threads: 1 });
    const rows = {
      inputs: 32,
      rows: 1,
      rank: 1,
      scale: 1,
      seed: 1,
      a: new Float32Array(32),
      b: new Float32Array(1),
    };
    // ggml aborts on a type that it does not know
    await expect(merger.merge({ ...rows, type: 200, weights: new Uint8Array(128) })).rejects.toMatchObject({
      code: 'ENGINE_CRASHED',
    });
    await expect(merger.merge({ ...rows, type: 0, weights: new Uint8Array(128) })).rejects.toMatchObject({
      code: 'ENGINE_CRASHED',
    });
  });
});
