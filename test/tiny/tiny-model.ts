/**
 * Tiny random models that llama.cpp loads and decodes, under a megabyte each, for tests that need a model but no
 * sense. The same architecture and seed give the same bytes.
 *
 * Weights have variance 1/(inputs), so that activations keep a size around 1 through the blocks, and the output
 * head makes logits with a deviation of about 2: sampled text varies.
 */
import type { GgufValue } from '../../src/model/gguf.ts';
import { writeGguf, type TensorToWrite } from '../../src/model/gguf-write.ts';
import { noise, noiseArray } from './noise.ts';
import { byteTokenizer, charTokenizer, type TinyTokenizer } from './tokenizers.ts';

/** Two with a tied output head (qwen2, gemma3), one with a sliding window (gemma3), one a mixture of experts. */
export const TINY_ARCHITECTURES = ['llama', 'qwen2', 'qwen3', 'qwen3moe', 'gemma3'] as const;
export type TinyArchitecture = (typeof TINY_ARCHITECTURES)[number];

/** Sizes of a tiny model that is asked for no others. */
export const TINY = {
  layers: 4,
  /** d, the residual stream */
  width: 64,
  heads: 4,
  kvHeads: 2,
  headWidth: 16,
  feedForward: 128,
  /** of the mixture of experts, each this wide */
  experts: 4,
  expertsUsed: 2,
  expertWidth: 32,
  context: 4096,
  /** gemma3: tokens that its even blocks look back on */
  window: 64,
} as const;

/** Sizes of a tiny model that is to have others. */
export type TinySizes = Record<keyof typeof TINY, number>;

export interface TinyModelOptions {
  path: string;
  architecture: TinyArchitecture;
  /** @default 1 */
  seed?: number;
  /** @default TINY */
  sizes?: Partial<TinySizes>;
}

export interface TinyTensor extends TensorToWrite {
  type: 'F32';
  data: Float32Array;
}

export async function writeTinyModel(options: TinyModelOptions): Promise<void> {
  const { path, architecture, seed = 1 } = options;
  const sizes: TinySizes = { ...TINY, ...options.sizes };
  const tokenizer = tinyTokenizer(architecture);
  await writeGguf({
    path,
    metadata: tinyMetadata(architecture, tokenizer, `tiny-${architecture}`, sizes),
    tensors: tinyTensors(architecture, tokenizer.tokens.length, seed, sizes),
  });
}

export function tinyTokenizer(architecture: TinyArchitecture): TinyTokenizer {
  return architecture === 'gemma3' ? charTokenizer() : byteTokenizer();
}

export function tinyMetadata(
  architecture: TinyArchitecture,
  tokenizer: TinyTokenizer,
  name: string = `tiny-${architecture}`,
  sizes: TinySizes = TINY,
): [string, GgufValue][] {
  const key = (rest: string, value: GgufValue): [string, GgufValue] => [`${architecture}.${rest}`, value];
  const u32 = (value: number): GgufValue => ({ type: 'u32', value });
  const f32 = (value: number): GgufValue => ({ type: 'f32', value });
  const metadata: [string, GgufValue][] = [
    ['general.architecture', { type: 'string', value: architecture }],
    ['general.type', { type: 'string', value: 'model' }],
    ['general.name', { type: 'string', value: name }],
    ['general.file_type', u32(0)], // all F32
    key('context_length', u32(sizes.context)),
    key('embedding_length', u32(sizes.width)),
    key('block_count', u32(sizes.layers)),
    key('feed_forward_length', u32(sizes.feedForward)),
    key('attention.head_count', u32(sizes.heads)),
    key('attention.head_count_kv', u32(sizes.kvHeads)),
    key('attention.key_length', u32(sizes.headWidth)),
    key('attention.value_length', u32(sizes.headWidth)),
    key('attention.layer_norm_rms_epsilon', f32(1e-6)),
    key('rope.freq_base', f32(10_000)),
    key('vocab_size', u32(tokenizer.tokens.length)),
  ];
  if (architecture === 'qwen3moe')
    metadata.push(
      key('expert_count', u32(sizes.experts)),
      key('expert_used_count', u32(sizes.expertsUsed)),
      key('expert_feed_forward_length', u32(sizes.expertWidth)),
    );
  if (architecture === 'gemma3')
    metadata.push(
      key('attention.sliding_window', u32(sizes.window)),
      key('attention.sliding_window_pattern', u32(2)),
    );
  return [...metadata, ...tokenizer.metadata];
}

export function tinyTensors(
  architecture: TinyArchitecture,
  vocabulary: number,
  seed: number,
  sizes: TinySizes = TINY,
): TinyTensor[] {
  const { width, heads, kvHeads, headWidth, feedForward, experts, expertWidth } = sizes;
  const next = noise(seed);
  const tensors: TinyTensor[] = [];
  const add = (name: string, shape: number[], deviation: number, mean = 0): void => {
    const length = shape.reduce((product, size) => product * size);
    tensors.push({ name, shape, type: 'F32', data: noiseArray(next, length, deviation, mean) });
  };
  // A matrix maps `inputs` numbers to `outputs`; as a tensor it has the inputs as its fastest dimension.
  const matrix = (name: string, inputs: number, ...outputs: number[]): void =>
    add(`${name}.weight`, [inputs, ...outputs], 1 / Math.sqrt(inputs));
  const norm = (name: string, size: number): void => add(`${name}.weight`, [size], 0.1, 1);

  const tied = architecture === 'qwen2' || architecture === 'gemma3';
  const headDeviation = 2 / Math.sqrt(width);
  add('token_embd.weight', [width, vocabulary], tied ? headDeviation : 1);
  for (let b = 0; b < sizes.layers; b++) {
    norm(`blk.${b}.attn_norm`, width);
    matrix(`blk.${b}.attn_q`, width, heads * headWidth);
    matrix(`blk.${b}.attn_k`, width, kvHeads * headWidth);
    matrix(`blk.${b}.attn_v`, width, kvHeads * headWidth);
    matrix(`blk.${b}.attn_output`, heads * headWidth, width);
    if (architecture === 'qwen2') {
      add(`blk.${b}.attn_q.bias`, [heads * headWidth], 0.1);
      add(`blk.${b}.attn_k.bias`, [kvHeads * headWidth], 0.1);
      add(`blk.${b}.attn_v.bias`, [kvHeads * headWidth], 0.1);
    }
    if (architecture === 'qwen3' || architecture === 'qwen3moe' || architecture === 'gemma3') {
      norm(`blk.${b}.attn_q_norm`, headWidth);
      norm(`blk.${b}.attn_k_norm`, headWidth);
    }
    if (architecture === 'gemma3') {
      norm(`blk.${b}.post_attention_norm`, width);
      norm(`blk.${b}.post_ffw_norm`, width);
    }
    norm(`blk.${b}.ffn_norm`, width);
    if (architecture === 'qwen3moe') {
      matrix(`blk.${b}.ffn_gate_inp`, width, experts);
      matrix(`blk.${b}.ffn_gate_exps`, width, expertWidth, experts);
      matrix(`blk.${b}.ffn_up_exps`, width, expertWidth, experts);
      matrix(`blk.${b}.ffn_down_exps`, expertWidth, width, experts);
    } else {
      matrix(`blk.${b}.ffn_gate`, width, feedForward);
      matrix(`blk.${b}.ffn_up`, width, feedForward);
      matrix(`blk.${b}.ffn_down`, feedForward, width);
    }
  }
  norm('output_norm', width);
  if (!tied) add('output.weight', [width, vocabulary], headDeviation);
  return tensors;
}
