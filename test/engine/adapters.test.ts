/** LoRA adapters: the model with one computes as the model whose weights it was worked into. */

import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openChatModel } from '../../src/model/chat-model.ts';
import { parseLora } from '../../src/model/lora-file.ts';
import { folder } from '../support/folder.ts';
import { writeTinyLora } from '../tiny/tiny-lora.ts';
import { writeTinyModel, type TinyArchitecture } from '../tiny/tiny-model.ts';
import { expectClose } from './tiny-engine.ts';

const QUIET = { threads: 1, parallel: 2, context: 256, cacheType: 'f32' } as const;
const REQUEST = {
  prompt: 'Some words before.',
  maxTokens: 16,
  sampling: { temperature: 0 },
  ignoreEnd: true,
  means: { layers: 'all', kinds: ['response_avg', 'prompt_avg'] },
} as const;

describe.each<TinyArchitecture>(['llama', 'qwen2', 'qwen3', 'gemma3'])('%s', (architecture) => {
  test.each([1, -0.5])('scale %d', async (scale) => {
    const home = folder();
    const [path, adapter, merged] = ['m.gguf', 'a.gguf', 'merged.gguf'].map((name) => join(home, name)) as [
      string,
      string,
      string,
    ];
    await writeTinyModel({ path, architecture });
    await writeTinyLora({ adapter, merged, architecture, rank: 3, alpha: 6, scale });
    const run = async (options: object) => {
      await using model = await openChatModel({ ...QUIET, home, ...options });
      return { result: await model.engine.run(REQUEST), identity: model.identity };
    };
    const plain = await run({ model: path });
    const ours = await run({ model: path, loras: [{ path: adapter, scale }] });
    const worked = await run({ model: merged });
    expect(ours.result.tokens).toEqual(worked.result.tokens);
    for (const kind of ['response_avg', 'prompt_avg'] as const) {
      expectClose(ours.result.means![kind], worked.result.means![kind], 2e-3, kind);
      const moved = ours.result.means![kind]!.map((x, i) => Math.abs(x - plain.result.means![kind]![i]!));
      expect(Math.max(...moved)).toBeGreaterThan(0.1);
    }
    expect(ours.identity).toEqual({ ...plain.identity, loras: [{ sha256: expect.any(String), scale }] });
  });
});

test('what is no adapter, or of another model, is refused with the reason', async () => {
  const home = folder();
  const at = (name: string): string => join(home, name);
  await writeTinyModel({ path: at('m.gguf'), architecture: 'llama' });
  await writeTinyLora({
    adapter: at('q.gguf'),
    merged: at('qm.gguf'),
    architecture: 'qwen2',
    rank: 1,
    alpha: 1,
  });
  const open = (path: string) =>
    openChatModel({ ...QUIET, home, model: at('m.gguf'), loras: [{ path: at(path) }] });
  await expect(open('m.gguf')).rejects.toThrow(/m\.gguf: this is no LoRA adapter/);
  await expect(open('q.gguf')).rejects.toThrow(/q\.gguf: an adapter for qwen2; the model is llama/);
  await expect(open('none.gguf')).rejects.toThrow(/none\.gguf/);
});

test('FILE:SCALE', () => {
  expect(parseLora('a.gguf')).toEqual({ path: 'a.gguf' });
  expect(parseLora('a.gguf:-0.5')).toEqual({ path: 'a.gguf', scale: -0.5 });
  expect(parseLora('C:/x/a.gguf')).toEqual({ path: 'C:/x/a.gguf' });
});
