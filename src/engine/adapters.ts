/** LoRA adapters: low-rank changes of the weights, from files of their own, for the whole context. */

import { existsSync } from 'node:fs';
import { PersonaError } from '../errors.ts';
import type { Native, Pointer } from './ffi.ts';
import type { LoraFile } from './request.ts';

/**
 * Loads them and sets them on the context; they are freed with the model.
 * @param lastWords what llama.cpp said last
 * @throws PersonaError NOT_FOUND, BAD_FILE
 */
export function setAdapters(
  native: Native,
  model: Pointer,
  context: Pointer,
  files: readonly LoraFile[],
  lastWords: () => string,
): void {
  if (files.length === 0) return;
  const adapters = files.map(({ path }) => {
    if (!existsSync(path)) throw new PersonaError('NOT_FOUND', `${path}: no such file`);
    const adapter: Pointer = native.llama_adapter_lora_init(model, path);
    if (adapter) return adapter;
    throw new PersonaError('BAD_FILE', `${path}: llama.cpp cannot load it as an adapter: ${lastWords()}`, {
      remedy: 'give a GGUF LoRA adapter that was trained on this model',
    });
  });
  const scales = Float32Array.from(files, ({ scale = 1 }) => scale);
  const code: number = native.llama_set_adapters_lora(context, adapters, adapters.length, scales);
  if (code !== 0) throw new PersonaError('ENGINE_FAILED', `llama.cpp does not set the adapters (${code})`);
}
