/** Writes a vector in any of the formats, and says what its reader must know of the layers. */

import { writeGguf } from '../model/gguf-write.ts';
import { writeVector } from './file.ts';
import type { VectorFormat } from './format.ts';
import { writeVectorSafetensors } from './safetensors.ts';
import { type TorchTensor, torchTensor } from './torch/value.ts';
import { writeTorch } from './torch/write.ts';
import { afterFinalNorm, direction, type PersonaVector } from './vector.ts';

/** @returns how layers map, for people */
export async function writeVectorAs(
  path: string,
  vector: PersonaVector,
  to: VectorFormat,
): Promise<string[]> {
  const { model, directions, trait } = vector;
  switch (to) {
    case 'gguf':
      await writeVector(path, vector);
      return ['direction.b is block b; block 0 lies in persona.direction_0'];
    case 'safetensors':
      await writeVectorSafetensors(path, vector);
      return ['row b of directions is block b'];
    case 'cvector':
      await writeControlVector(path, vector);
      return ['direction.b is block b; block 0 is left out, as llama.cpp cannot edit it'];
    case 'assistant-axis':
      await writeTorch(
        path,
        new Map<string, TorchTensor | string>([
          ['vector', torchTensor([model.layers, model.width], directions)],
          ['type', 'persona'],
          ['role', trait],
        ]),
      );
      return ['row b is block b; only the directions are kept'];
    case 'pt': {
      const rows = new Float32Array((model.layers + 1) * model.width);
      rows.set(directions, model.width);
      await writeTorch(path, torchTensor([model.layers + 1, model.width], rows));
      return [
        'row L is block L − 1; row 0 (embeddings) is zero; only the directions are kept',
        afterFinalNorm(vector) === model.layers - 1
          ? `row ${model.layers} lies after the final norm, as in the file that it came from`
          : `row ${model.layers} lies before the final norm; in the reference's own files it lies after it`,
      ];
    }
  }
}

/** Nothing but what llama.cpp reads. */
async function writeControlVector(path: string, vector: PersonaVector): Promise<void> {
  const { architecture, layers, width } = vector.model;
  await writeGguf({
    path,
    metadata: [
      ['general.architecture', { type: 'string', value: 'controlvector' }],
      ['controlvector.model_hint', { type: 'string', value: architecture }],
      ['controlvector.layer_count', { type: 'u32', value: layers - 1 }],
    ],
    tensors: Array.from({ length: layers - 1 }, (_, i) => ({
      name: `direction.${i + 1}`,
      shape: [width],
      type: 'F32',
      data: direction(vector, i + 1),
    })),
  });
}
