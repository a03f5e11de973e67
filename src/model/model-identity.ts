/** Which model a file holds, by its header and its bytes alone: no engine is started. */

import { createHash } from 'node:crypto';
import { PersonaError } from '../errors.ts';
import { ggufNumber, ggufString, type Gguf } from './gguf.ts';
import { readGguf } from './gguf-read.ts';
import { type IdentityOptions, modelFileHash } from './identity.ts';
import { resolveModel } from './pull.ts';
import type { ResolveOptions } from './resolved-model.ts';

/** Which weights these are; a vector is refused on others. */
export interface ModelIdentity {
  name: string;
  architecture: string;
  /** of the weights file */
  sha256: string;
  /** e.g. `Q8_0` */
  quantization: string;
  layers: number;
  /** d, of the residual stream */
  width: number;
  /** of the chat template's text; '' where the file has none */
  templateSha256: string;
  /** LoRA adapters over them */
  loras?: { sha256: string; scale: number }[];
}

/**
 * The identity of a model that is found by path or name (and fetched, if need be), as an opened model has it.
 * @throws PersonaError of finding or reading it, BAD_FILE where its header lacks what a model says of itself
 */
export async function readIdentity(
  model: string | undefined,
  options: ResolveOptions & IdentityOptions & { chatTemplate?: string | undefined } = {},
): Promise<ModelIdentity> {
  const { path, name } = await resolveModel(model, options);
  const file = await readGguf(path, { skipArraysOver: 0 });
  const architecture = ggufString(file, 'general.architecture') ?? 'unknown';
  const template = options.chatTemplate ?? ggufString(file, 'tokenizer.chat_template');
  const [layers, width] = [`${architecture}.block_count`, `${architecture}.embedding_length`].map((key) => {
    const value = ggufNumber(file, key);
    if (value !== undefined && Number.isInteger(value) && value > 0) return value;
    throw new PersonaError('BAD_FILE', `${path}: ${key} is ${value ?? 'absent'}: this is no language model`, {
      remedy: 'Give the model that the vector was made on.',
    });
  }) as [number, number];
  return {
    name,
    architecture,
    sha256: await modelFileHash(path, options),
    quantization: quantizationName(file),
    layers,
    width,
    templateSha256: templateHash(template),
  };
}

/** '' for a model without a template */
export function templateHash(template: string | undefined): string {
  return template ? createHash('sha256').update(template).digest('hex') : '';
}

/** Of the whole file, as its maker named it. */
export function quantizationName(file: Gguf): string {
  const type = ggufNumber(file, 'general.file_type');
  return type === undefined ? 'unknown' : (fileTypes[type] ?? `type ${type}`);
}

/** llama.cpp's LLAMA_FTYPE numbers, by the names that people know. */
const fileTypes: Record<number, string> = {
  0: 'F32',
  1: 'F16',
  2: 'Q4_0',
  3: 'Q4_1',
  7: 'Q8_0',
  8: 'Q5_0',
  9: 'Q5_1',
  10: 'Q2_K',
  11: 'Q3_K_S',
  12: 'Q3_K_M',
  13: 'Q3_K_L',
  14: 'Q4_K_S',
  15: 'Q4_K_M',
  16: 'Q5_K_S',
  17: 'Q5_K_M',
  18: 'Q6_K',
  19: 'IQ2_XXS',
  20: 'IQ2_XS',
  21: 'Q2_K_S',
  22: 'IQ3_XS',
  23: 'IQ3_XXS',
  24: 'IQ1_S',
  25: 'IQ4_NL',
  26: 'IQ3_S',
  27: 'IQ3_M',
  28: 'IQ2_S',
  29: 'IQ2_M',
  30: 'IQ4_XS',
  31: 'IQ1_M',
  32: 'BF16',
  36: 'TQ1_0',
  37: 'TQ2_0',
  38: 'MXFP4_MOE',
};
