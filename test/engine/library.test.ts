import { mkdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { expect, test } from 'vitest';
import { libraryFile } from '../../src/engine/library.ts';
import { temporaryFolder } from './tiny-engine.ts';

const folder = temporaryFolder();

/** As linux-x64 and linux-x64-vulkan of release 3.22.1 name their files: what is looked for, and what is like it. */
test.each([
  ['cpu', 'libggml.v0.5.0.so', 'libllama.v0.5.0.so'],
  ['vulkan', 'libggml.vulkan.v0.5.0.so', 'libllama.vulkan.v0.5.0.so'],
])('the libraries of a %s package are found by their names', (name, ggml, llama) => {
  const path = join(folder.path, name);
  mkdirSync(path);
  const others = ['libggml-cpu-zen4.so', 'libggml-vulkan.so', 'libllama-common.so', 'llama-addon.node'];
  for (const file of ['libggml-base.so', ggml, llama, ...others]) writeFileSync(join(path, file), '');
  const found = ['ggml-base', 'ggml', 'llama'].map((stem) => basename(libraryFile(path, stem)));
  expect(found).toEqual(['libggml-base.so', ggml, llama]);
});
