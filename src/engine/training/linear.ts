/**
 * Matrices of a block that read the same input, with their LoRA factors: y = W x + s·B A x.
 *
 * Back: dx = Wᵀ dy + s·Aᵀ Bᵀ dy, dA = s·(Bᵀ dy) xᵀ, dB = dy (s·A x)ᵀ. All are products along the fastest side, so the
 * sums over tokens need x, A x and dy transposed.
 */

import type { Tensor } from '../ggml.ts';
import type { GroupFactors } from './factors.ts';
import type { TrainingGraph } from './graph.ts';
import type { BlockWeights } from './weights.ts';
import { targetShape, type Architecture, type Target } from './architecture.ts';

/** How the factors enter a pass. */
export interface LoraPass {
  rank: number;
  /** s: alpha / rank, or alpha / √rank (rsLoRA, arXiv 2312.03732) */
  scale: number;
  /** a mask of `length` numbers, 0 or 1 / (1 − p), for the input of the factors; undefined without dropout */
  dropout?: (length: number) => Tensor;
}

export interface Projected {
  /** by target: [outputs, tokens] */
  outs: Tensor[];
  /** gradients of the outs, and the input once more → the gradient of the input; adds to those of the factors */
  back(gradients: readonly Tensor[], x: Tensor): Tensor;
}

/** @param x [inputs, tokens] */
export function project(
  g: TrainingGraph,
  architecture: Architecture,
  weights: BlockWeights,
  group: readonly Target[],
  factors: GroupFactors | undefined,
  lora: LoraPass,
  x: Tensor,
  tokens: number,
): Projected {
  const { rank, scale } = lora;
  const { inputs } = targetShape(architecture, group[0]!);
  const thin = factors ? factors.targets.length * rank : 0;
  const mask = factors && lora.dropout ? g.shape2(lora.dropout(inputs * tokens), inputs, tokens) : undefined;
  const dropped = (input: Tensor): Tensor => (mask === undefined ? input : g.times(input, mask));
  // s·A x, [thin, tokens]: the factors' scale is applied where there are fewest numbers
  const inner = factors ? g.scale(g.multiply(factors.a.value, dropped(x)), scale) : undefined;

  const outs = group.map((target) => {
    const { forward, bias } = weights.matrices[target];
    let y = g.multiply(forward, x);
    const place = factors?.targets.indexOf(target) ?? -1;
    if (place >= 0) {
      const z = g.part2(inner!, rank, tokens, thin, place * rank);
      y = g.add(y, g.multiply(factors!.b.get(target)!.value, z));
    }
    return bias ? g.add(y, bias) : y;
  });

  const back = (gradients: readonly Tensor[], input: Tensor): Tensor => {
    let dx = gradients
      .map((gradient, i) => g.multiply(weights.matrices[group[i]!].back, gradient))
      .reduce(g.add);
    if (factors === undefined) return dx;
    const innerAcross = g.transposed(inner!); // [tokens, thin]
    const thinParts = factors.targets.map((target, place) => {
      const gradient = gradients[group.indexOf(target)]!;
      const b = factors.b.get(target)!;
      const z = g.part2(innerAcross, tokens, rank, tokens, place * rank * tokens);
      g.addTo(b.gradient, g.multiply(z, g.transposed(gradient)));
      return g.multiply(g.transposed(b.value), gradient); // [rank, tokens]
    });
    const dInner = g.scale(
      thinParts.reduce((a, b) => g.concat(a, b, 0)),
      scale,
    ); // [thin, tokens]
    g.addTo(factors.a.gradient, g.multiply(g.transposed(dropped(input)), g.transposed(dInner)));
    const through = g.multiply(g.transposed(factors.a.value), dInner);
    return g.add(dx, dropped(through));
  };
  return { outs, back };
}
