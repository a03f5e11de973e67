/** Whether a vector belongs to a model. A direction found in one model means nothing in another (paper §13.6). */

import { isDeepStrictEqual } from 'node:util';
import { PersonaError } from '../errors.ts';
import type { ModelIdentity } from '../model/chat-model.ts';
import type { PersonaVector } from './vector.ts';

/**
 * @returns a note for people when the vector was made on the same model in another quantisation or with another template
 * @throws PersonaError WRONG_MODEL
 */
export function checkFit(
  vector: PersonaVector,
  model: ModelIdentity,
  name: string = vector.trait,
): string | undefined {
  const made = vector.model;
  if (made.sha256 === model.sha256) {
    const notes = [
      ...(made.templateSha256 === model.templateSha256 ? [] : ['with another chat template']),
      ...(isDeepStrictEqual(made.loras ?? [], model.loras ?? [])
        ? []
        : ['with other LoRA adapters, or none']),
    ];
    return notes.length === 0 ? undefined : `${name} was made ${notes.join(' and ')}`;
  }
  const sameShape =
    made.architecture === model.architecture && made.layers === model.layers && made.width === model.width;
  if (sameShape && family(made.name) === family(model.name)) {
    return `${name} was made on ${made.name} as ${made.quantization}; this file is ${model.quantization}`;
  }
  throw new PersonaError(
    'WRONG_MODEL',
    `${name} was made on ${made.name} (${made.architecture}, ${made.layers} layers, width ${made.width}); ` +
      `this is ${model.name} (${model.architecture}, ${model.layers} layers, width ${model.width})`,
    { remedy: 'extract the trait on this model' },
  );
}

/** A model's name without its quantisation: `SmolLM2-135M-Instruct.Q8_0` → `smollm2-135m-instruct`. */
function family(name: string): string {
  return name.toLowerCase().replace(/[._:-]([it]?q\d\w*|mxfp\d\w*|f16|f32|fp16|fp32|bf16)$/, '');
}
