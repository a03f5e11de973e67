/**
 * A LoRA adapter as PEFT saves it, as a GGUF adapter for a model of llama's architecture. What PEFT calls
 * `base_model.model.model.layers.3.self_attn.q_proj.lora_A.weight` is `blk.3.attn_q.weight.lora_a` there, and the rows of
 * queries and keys stand in another order: llama.cpp rotates neighbours, transformers the halves of a head.
 */

import { join } from 'node:path';
import { z } from 'zod';
import { readJson } from '../src/files/read-json.ts';
import { readSafetensor, readSafetensors } from '../src/files/safetensors.ts';
import { type Gguf, ggufNumber } from '../src/model/gguf.ts';
import { readGguf } from '../src/model/gguf-read.ts';
import { type TensorToWrite, writeGguf } from '../src/model/gguf-write.ts';

const NAME = /layers\.(?<block>\d+)\.(?:self_attn|mlp)\.(?<matrix>\w+)\.lora_(?<part>[AB])\.weight$/;
const MATRICES: Record<string, string> = {
  q_proj: 'attn_q',
  k_proj: 'attn_k',
  v_proj: 'attn_v',
  o_proj: 'attn_output',
  gate_proj: 'ffn_gate',
  up_proj: 'ffn_up',
  down_proj: 'ffn_down',
};
const configSchema = z.object({ lora_alpha: z.number(), r: z.number(), use_rslora: z.literal(false) });

export async function peftToGguf(folder: string, modelPath: string, out: string): Promise<void> {
  const config = await readJson(join(folder, 'adapter_config.json'), configSchema);
  const file = await readSafetensors(join(folder, 'adapter_model.safetensors'));
  const model = await readGguf(modelPath, { skipArraysOver: 0 });
  const heads = { q_proj: number(model, 'head_count'), k_proj: number(model, 'head_count_kv') };
  const tensors: TensorToWrite[] = [];
  for (const [name, { shape }] of file.tensors) {
    const { block, matrix = '', part } = NAME.exec(name)?.groups ?? {};
    const target = MATRICES[matrix];
    if (target === undefined) throw new Error(`${name} is none of the matrices of a block`);
    const [rows, columns] = shape as [number, number];
    const data = await readSafetensor(file, name);
    const turned = part === 'B' && (matrix === 'q_proj' || matrix === 'k_proj');
    tensors.push({
      name: `blk.${block}.${target}.weight.lora_${part!.toLowerCase()}`,
      shape: [columns, rows],
      type: 'F32',
      data: turned ? neighbours(data, rows, columns, heads[matrix]) : data,
    });
  }
  await writeGguf({
    path: out,
    metadata: [
      ['general.architecture', { type: 'string', value: 'llama' }],
      ['general.type', { type: 'string', value: 'adapter' }],
      ['adapter.type', { type: 'string', value: 'lora' }],
      ['adapter.lora.alpha', { type: 'f32', value: config.lora_alpha }],
    ],
    tensors,
  });
}

/** Row i of the first and row i of the second half of each head come to stand side by side. */
function neighbours(data: Float32Array, rows: number, columns: number, heads: number): Float32Array {
  const out = new Float32Array(data.length);
  const width = rows / heads;
  for (let row = 0; row < rows; row++) {
    const [head, at] = [Math.floor(row / width), row % width];
    const to = head * width + 2 * (at % (width / 2)) + Math.floor(at / (width / 2));
    out.set(data.subarray(row * columns, (row + 1) * columns), to * columns);
  }
  return out;
}

function number(model: Gguf, key: string): number {
  const value = ggufNumber(model, `llama.attention.${key}`);
  if (value === undefined) throw new Error(`the model does not say its ${key}`);
  return value;
}
