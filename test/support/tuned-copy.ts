/** A copy of a tiny model with other weights or another header, as fine-tuning (or a wrong file) would leave one. */

import type { GgufValue } from '../../src/model/gguf.ts';
import { readGguf, readTensor } from '../../src/model/gguf-read.ts';
import { writeGguf, type TensorToWrite } from '../../src/model/gguf-write.ts';

export interface Changes {
  /** in place, by the tensor's name */
  weights?: (name: string, data: Float32Array) => void;
  metadata?: (metadata: Map<string, GgufValue>) => void;
}

export async function tunedCopy(from: string, to: string, { weights, metadata }: Changes): Promise<void> {
  const file = await readGguf(from);
  const tensors: TensorToWrite[] = [];
  for (const { name, shape } of file.tensors.values()) {
    const data = await readTensor(file, name);
    weights?.(name, data);
    tensors.push({ name, shape: [...shape], type: 'F32', data });
  }
  const header = file.metadata as Map<string, GgufValue>;
  metadata?.(header);
  await writeGguf({ path: to, metadata: [...header], tensors });
}
