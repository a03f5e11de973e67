/** What a training graph has to know of a model: its sizes, and which of the known ways each block works. */

export const TRAINABLE_ARCHITECTURES = ['llama', 'qwen2', 'qwen3', 'gemma3'] as const;
export type TrainableArchitecture = (typeof TRAINABLE_ARCHITECTURES)[number];

export interface Architecture {
  name: TrainableArchitecture;
  /** blocks */
  layers: number;
  /** d, the residual stream */
  width: number;
  heads: number;
  kvHeads: number;
  /** of one head; keys and values are equally wide */
  headWidth: number;
  feedForward: number;
  vocabulary: number;
  /** under the root of RMS norms */
  epsilon: number;
  rope: {
    /** pairs are neighbours, or lie half a head apart */
    pairs: 'neighbours' | 'halves';
    /** how many of a head's dimensions turn */
    dimensions: number;
    base: number;
    /** positions × this: < 1 where the context was stretched */
    scale: number;
    /** tokens that the model was made for, before stretching */
    originalContext: number;
  };
  /** blocks that look back on `window` tokens only, the token itself among them; their rope may have another base */
  local?: { window: number; base: number; blocks: boolean[] };
  /** embeddings × this */
  embeddingScale: number;
  /** scores × this, before the softmax */
  attentionScale: number;
  activation: 'silu' | 'gelu';
}

/** The matrices of a block that can carry LoRA factors, by their names in GGUF files. */
export const TARGETS = [
  'attn_q',
  'attn_k',
  'attn_v',
  'attn_output',
  'ffn_gate',
  'ffn_up',
  'ffn_down',
] as const;
export type Target = (typeof TARGETS)[number];

/** Inputs and outputs of a target's matrix. */
export function targetShape(architecture: Architecture, target: Target): { inputs: number; outputs: number } {
  const { width, heads, kvHeads, headWidth, feedForward } = architecture;
  switch (target) {
    case 'attn_q':
      return { inputs: width, outputs: heads * headWidth };
    case 'attn_k':
    case 'attn_v':
      return { inputs: width, outputs: kvHeads * headWidth };
    case 'attn_output':
      return { inputs: heads * headWidth, outputs: width };
    case 'ffn_gate':
    case 'ffn_up':
      return { inputs: width, outputs: feedForward };
    case 'ffn_down':
      return { inputs: feedForward, outputs: width };
  }
}
