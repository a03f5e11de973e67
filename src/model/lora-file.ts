/** LoRA adapter files: is it one, and of a model like this? Said before llama.cpp is asked, in words that help. */

import type { LoraFile } from '../engine/request.ts';
import { PersonaError } from '../errors.ts';
import { ggufString, type Gguf } from './gguf.ts';
import { readGguf } from './gguf-read.ts';
import { modelFileHash, type IdentityOptions } from './identity.ts';

/** @returns which adapters these are @throws PersonaError BAD_FILE, WRONG_MODEL */
export async function identifyLoras(
  files: readonly LoraFile[],
  model: Gguf,
  options: IdentityOptions,
): Promise<{ sha256: string; scale: number }[]> {
  const architecture = ggufString(model, 'general.architecture');
  const out: { sha256: string; scale: number }[] = [];
  for (const { path, scale = 1 } of files) {
    const adapter = await readGguf(path, { skipArraysOver: 0 });
    if (!isLora(adapter))
      throw new PersonaError('BAD_FILE', `${path}: this is no LoRA adapter`, {
        remedy: 'a whole model goes into --model; a control vector into --control-vector',
      });
    const own = ggufString(adapter, 'general.architecture');
    if (own !== architecture)
      throw new PersonaError('WRONG_MODEL', `${path}: an adapter for ${own}; the model is ${architecture}`);
    out.push({ sha256: await modelFileHash(path, options), scale });
  }
  return out;
}

export function isLora(file: Gguf): boolean {
  return ggufString(file, 'general.type') === 'adapter' && ggufString(file, 'adapter.type') === 'lora';
}

/** `adapter.gguf`, or `adapter.gguf:0.5`: the scale after the last colon, where what stands there is a number. */
export function parseLora(text: string): LoraFile {
  const found = /^(.+):([+-]?(?:\d+\.?\d*|\.\d+))$/.exec(text);
  return found ? { path: found[1]!, scale: Number(found[2]) } : { path: text };
}
