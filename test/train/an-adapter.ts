/** Random adapters over models of the tiny sizes. */

import { TARGETS, type Target } from '../../src/engine/training/architecture.ts';
import type { Adapter, AdapterFactors } from '../../src/train/adapter.ts';
import { noise, noiseArray } from '../tiny/noise.ts';
import { TINY } from '../tiny/tiny-model.ts';

export interface AdapterShape {
  architecture?: string;
  layers?: number;
  width?: number;
  heads?: number;
  kvHeads?: number;
  headWidth?: number;
  feedForward?: number;
  rank?: number;
  alpha?: number;
  rslora?: boolean;
  targets?: readonly Target[];
  seed?: number;
}

/** Changes outputs by about alpha / √rank (rsLoRA: alpha) × `0.3`, where inputs are of size 1. */
export function anAdapter(shape: AdapterShape = {}): Adapter {
  const { architecture = 'llama', rank = 3, alpha = 6, rslora = false, seed = 5 } = shape;
  const { layers, width, heads, kvHeads, headWidth, feedForward } = { ...TINY, ...shape };
  const targets = TARGETS.filter((target) => (shape.targets ?? TARGETS).includes(target));
  const sizes: Record<Target, [inputs: number, outputs: number]> = {
    attn_q: [width, heads * headWidth],
    attn_k: [width, kvHeads * headWidth],
    attn_v: [width, kvHeads * headWidth],
    attn_output: [heads * headWidth, width],
    ffn_gate: [width, feedForward],
    ffn_up: [width, feedForward],
    ffn_down: [feedForward, width],
  };
  const next = noise(seed);
  const factors = new Map<string, AdapterFactors>();
  for (let b = 0; b < layers; b++)
    for (const target of targets) {
      const [inputs, outputs] = sizes[target];
      factors.set(`blk.${b}.${target}`, {
        a: noiseArray(next, rank * inputs, 1 / Math.sqrt(inputs)),
        b: noiseArray(next, outputs * rank, 0.3),
      });
    }
  return { architecture, layers, rank, alpha, rslora, targets, factors };
}

/** W + s·B A, in double precision. */
export function workedIn(
  factors: AdapterFactors & Pick<Adapter, 'rank' | 'alpha' | 'rslora'>,
  weights: ArrayLike<number>,
): Float64Array {
  const { rank, alpha, rslora, a, b } = factors;
  const inputs = a.length / rank;
  const scale = alpha / (rslora ? Math.sqrt(rank) : rank);
  return Float64Array.from(weights, (w, at) => {
    const [o, i] = [Math.floor(at / inputs), at % inputs];
    let sum = 0;
    for (let r = 0; r < rank; r++) sum += b[o * rank + r]! * a[r * inputs + i]!;
    return w + scale * sum;
  });
}
