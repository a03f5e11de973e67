/** A random LoRA adapter over a tiny model, and the same model with the adapter worked into its weights. */

import { writeGguf } from '../../src/model/gguf-write.ts';
import { noise, noiseArray } from './noise.ts';
import {
  tinyMetadata,
  tinyTensors,
  tinyTokenizer,
  type TinyArchitecture,
  type TinyTensor,
} from './tiny-model.ts';

export interface TinyLora {
  /** paths to write */
  adapter: string;
  merged: string;
  architecture: TinyArchitecture;
  rank: number;
  alpha: number;
  /** how much of it is worked in. @default 1 */
  scale?: number;
  seed?: number;
}

/** Of these matrices of every block. */
const TARGETS = ['attn_q', 'attn_output', 'ffn_down'];

/** W' = W + scale · alpha/rank · B A, A (rank × inputs), B (outputs × rank) */
export async function writeTinyLora({
  adapter,
  merged,
  architecture,
  rank,
  alpha,
  scale = 1,
  seed = 7,
}: TinyLora): Promise<void> {
  const tokenizer = tinyTokenizer(architecture);
  const tensors = tinyTensors(architecture, tokenizer.tokens.length, 1);
  const next = noise(seed);
  const parts: TinyTensor[] = [];
  const changed = tensors.map((tensor): TinyTensor => {
    if (!TARGETS.some((target) => tensor.name.endsWith(`.${target}.weight`))) return tensor;
    const [inputs, outputs] = tensor.shape as [number, number];
    const a = noiseArray(next, rank * inputs, 1 / Math.sqrt(inputs));
    const b = noiseArray(next, outputs * rank, 0.5);
    parts.push(
      { name: `${tensor.name}.lora_a`, shape: [inputs, rank], type: 'F32', data: a },
      { name: `${tensor.name}.lora_b`, shape: [rank, outputs], type: 'F32', data: b },
    );
    const data = tensor.data.slice();
    for (let o = 0; o < outputs; o++)
      for (let r = 0; r < rank; r++)
        for (let i = 0; i < inputs; i++)
          data[o * inputs + i]! += ((scale * alpha) / rank) * b[o * rank + r]! * a[r * inputs + i]!;
    return { ...tensor, data };
  });
  await writeGguf({
    path: adapter,
    metadata: [
      ['general.architecture', { type: 'string', value: architecture }],
      ['general.type', { type: 'string', value: 'adapter' }],
      ['adapter.type', { type: 'string', value: 'lora' }],
      ['adapter.lora.alpha', { type: 'f32', value: alpha }],
    ],
    tensors: parts,
  });
  await writeGguf({ path: merged, metadata: tinyMetadata(architecture, tokenizer), tensors: changed });
}
