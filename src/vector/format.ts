/** The kinds of files that vectors are exchanged in, by their names and by the ends of paths. */

import { extname } from 'node:path';
import { PersonaError } from '../errors.ts';

/**
 * gguf: ours, which llama.cpp loads too · cvector: llama.cpp's and repeng's · pt: the reference's tensor [layers + 1, d]
 * · assistant-axis: a PyTorch dictionary with a tensor [layers, d], or of caps · safetensors
 */
export const VECTOR_FORMATS = ['gguf', 'cvector', 'pt', 'assistant-axis', 'safetensors'] as const;
export type VectorFormat = (typeof VECTOR_FORMATS)[number];

const BY_EXTENSION: Readonly<Record<string, VectorFormat>> = {
  '.gguf': 'gguf',
  '.pt': 'pt',
  '.pth': 'pt',
  '.safetensors': 'safetensors',
};

/** @throws PersonaError USAGE where the path does not end like a file of vectors */
export function formatOf(path: string): VectorFormat {
  const format = BY_EXTENSION[extname(path).toLowerCase()];
  if (format) return format;
  throw new PersonaError(
    'USAGE',
    `${path}: which kind of file is this? Expected .gguf, .pt or .safetensors`,
    {
      remedy: `Name it so, or say it with --from or --to: ${VECTOR_FORMATS.join(', ')}.`,
    },
  );
}
