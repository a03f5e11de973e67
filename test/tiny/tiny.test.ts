/** The tiny models' files: sound by our own reader, the same for the same seed, and holding what they promise. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Template } from '@huggingface/jinja';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readGguf, readTensor } from '../../src/model/gguf-read.ts';
import { ggufNumber, ggufString, type Gguf } from '../../src/model/gguf.ts';
import { noise } from './noise.ts';
import { writePlantedModel } from './planted-model.ts';
import { TINY, TINY_ARCHITECTURES, writeTinyModel, type TinyArchitecture } from './tiny-model.ts';
import { BYTE_TOKENS, byteTokenizer, charTokenizer } from './tokenizers.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tiny-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function tiny(architecture: TinyArchitecture): Promise<Gguf> {
  const path = join(folder, `${architecture}.gguf`);
  await writeTinyModel({ path, architecture });
  return readGguf(path);
}

function render(gguf: Gguf, messages: { role: string; content: string }[]): string {
  const template = new Template(ggufString(gguf, 'tokenizer.chat_template')!);
  return template.render({ messages, add_generation_prompt: true, bos_token: '<bos>' });
}

describe.each(TINY_ARCHITECTURES)('%s', (architecture) => {
  test('is a sound file of the promised sizes', async () => {
    const gguf = await tiny(architecture);
    expect(gguf.sizeBytes).toBeLessThan(1_000_000);
    expect(ggufString(gguf, 'general.architecture')).toBe(architecture);
    expect(ggufNumber(gguf, `${architecture}.block_count`)).toBe(TINY.layers);
    expect(ggufNumber(gguf, `${architecture}.embedding_length`)).toBe(TINY.width);

    const vocabulary = ggufNumber(gguf, `${architecture}.vocab_size`)!;
    const tokens = gguf.metadata.get('tokenizer.ggml.tokens');
    expect(tokens).toMatchObject({ type: 'array', of: 'string', items: { length: vocabulary } });
    expect(gguf.tensors.get('token_embd.weight')?.shape).toEqual([TINY.width, vocabulary]);
    expect(gguf.tensors.has(`blk.${TINY.layers - 1}.attn_output.weight`)).toBe(true);
    for (const name of gguf.tensors.keys())
      expect((await readTensor(gguf, name)).every(Number.isFinite), name).toBe(true);
  });

  test('is the same for the same seed only', async () => {
    const write = async (seed?: number): Promise<Buffer> => {
      const path = join(folder, 'again.gguf');
      await writeTinyModel(seed === undefined ? { path, architecture } : { path, architecture, seed });
      return readFile(path);
    };
    const first = await write();
    expect((await write(1)).equals(first)).toBe(true);
    expect((await write(2)).equals(first)).toBe(false);
  });
});

test('the noise is the same everywhere, with mean 0 and variance 1', () => {
  const next = noise(1);
  const values = Array.from({ length: 20_000 }, next);
  expect(values.slice(0, 2).map((x) => x.toFixed(6))).toEqual(['0.440197', '-1.722574']);
  const mean = values.reduce((sum, x) => sum + x) / values.length;
  const variance = values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length;
  expect(mean).toBeCloseTo(0, 1);
  expect(variance).toBeCloseTo(1, 1);
});

test.each([byteTokenizer(), charTokenizer()])('a vocabulary has every token once', ({ tokens, metadata }) => {
  expect(new Set(tokens).size).toBe(tokens.length);
  const types = new Map(metadata).get('tokenizer.ggml.token_type');
  expect(types).toMatchObject({ items: { length: tokens.length } });
});

test('the byte tokenizer has the byte as the id', () => {
  const { tokens } = byteTokenizer();
  expect([tokens[0x50], tokens[0x20], tokens[0x0a], tokens[0xff]]).toEqual(['P', 'Ġ', 'Ċ', 'ÿ']);
  expect(tokens[BYTE_TOKENS.imEnd]).toBe('<|im_end|>');
});

test('the chat templates render', async () => {
  const messages = [
    { role: 'system', content: 'Be kind.' },
    { role: 'user', content: 'Hi' },
  ];
  expect(render(await tiny('llama'), messages)).toBe(
    '<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n',
  );
  expect(render(await tiny('gemma3'), messages)).toBe(
    '<bos><start_of_turn>user\nBe kind.\n\nHi<end_of_turn>\n<start_of_turn>model\n',
  );
});

test('the planted model writes its direction with P, and its opposite with N', async () => {
  const path = join(folder, 'planted.gguf');
  const { direction, positive, negative } = await writePlantedModel({ path });
  const gguf = await readGguf(path);
  const embeddings = await readTensor(gguf, 'token_embd.weight');
  const output = await readTensor(gguf, 'output.weight');
  const dot = (a: Float32Array, b: Float32Array): number => a.reduce((sum, x, i) => sum + x * b[i]!, 0);
  const row = (matrix: Float32Array, character: string): Float32Array =>
    matrix.subarray(character.charCodeAt(0) * TINY.width).subarray(0, TINY.width);

  expect(dot(direction, direction)).toBeCloseTo(1, 5);
  expect(dot(row(embeddings, positive), direction)).toBeCloseTo(1.5, 5);
  expect(dot(row(embeddings, negative), direction)).toBeCloseTo(-1.5, 5);
  expect(dot(row(embeddings, 'a'), direction)).toBeCloseTo(0, 5);
  const difference = row(embeddings, positive).map((x, i) => x - row(embeddings, negative)[i]!);
  expect(dot(difference, direction) / Math.sqrt(dot(difference, difference))).toBeCloseTo(1, 5);
  expect(dot(row(output, positive), direction)).toBeCloseTo(0.5, 5);
  expect(dot(row(output, negative), direction)).toBeCloseTo(-0.5, 5);

  const again = join(folder, 'planted-again.gguf');
  expect((await writePlantedModel({ path: again })).direction).toEqual(direction);
  expect((await readFile(again)).equals(await readFile(path))).toBe(true);
});
