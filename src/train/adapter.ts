/** A LoRA adapter as plain data: thin factors beside the matrices of a model, and the scale by which they are added. */

import type { Target } from '../engine/training/architecture.ts';

export interface AdapterFactors {
  /** (rank × inputs), row by row */
  a: Float32Array;
  /** (outputs × rank), row by row */
  b: Float32Array;
}

export interface Adapter {
  /** as in `general.architecture` */
  architecture: string;
  /** blocks of the model */
  layers: number;
  rank: number;
  alpha: number;
  /** the scale is alpha / √rank instead of alpha / rank (arXiv 2312.03732) */
  rslora: boolean;
  targets: readonly Target[];
  /** by `blk.B.TARGET`, as GGUF files name matrices; rows of attn_q and attn_k in the GGUF order */
  factors: ReadonlyMap<string, AdapterFactors>;
}

/** What the factors' product is multiplied by. */
export function adapterScale({ rank, alpha, rslora }: Pick<Adapter, 'rank' | 'alpha' | 'rslora'>): number {
  return alpha / (rslora ? Math.sqrt(rank) : rank);
}
