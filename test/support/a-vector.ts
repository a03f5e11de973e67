/** A vector of the tiny models' shape, each part different at each layer. */

import { TINY } from '../tiny/tiny-model.ts';
import type { ModelIdentity } from '../../src/model/chat-model.ts';
import type { PersonaVector } from '../../src/vector/vector.ts';
import { random } from '../../src/math/random.ts';

export const A_MODEL: ModelIdentity = {
  name: 'tiny',
  architecture: 'llama',
  sha256: 'a'.repeat(64),
  quantization: 'F32',
  layers: TINY.layers,
  width: TINY.width,
  templateSha256: 'b'.repeat(64),
};

export function aVector(changes: Partial<PersonaVector> = {}): PersonaVector {
  const next = random(7);
  const model = changes.model ?? A_MODEL;
  return {
    trait: 'evil',
    kind: 'response_avg',
    model,
    directions: Float32Array.from({ length: model.layers * model.width }, () => next.normal() / 8),
    residualNorms: Float32Array.from({ length: model.layers }, (_, b) => 10 * (b + 1)),
    baseline: {
      mean: Float32Array.from({ length: model.layers }, (_, b) => 0.5 - b),
      deviation: Float32Array.from({ length: model.layers }, (_, b) => 0.25 * (b + 1)),
      tokenDeviation: Float32Array.from({ length: model.layers }, (_, b) => b + 1),
      answers: 40,
    },
    layer: 2,
    coefficient: 1.5,
    recipe: { created: '2026-01-01T00:00:00.000Z' },
    quality: {},
    version: '0.1.0',
    ...changes,
  };
}
