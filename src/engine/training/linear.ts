/**
 * Matrices of a block that read the same input, with their LoRA factors: y = W x + s·B A x.
 *
 * Back: dx = Wᵀ dy + s·Aᵀ Bᵀ dy, dA = s·(Bᵀ dy) xᵀ, dB = dy (s·A x)ᵀ. The sums over tokens are outer products, so what is
 * turned for the others are the factors, never anything as long as the tokens: that took a sixth of a step.
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

  /** of one target, [rank, tokens] */
  const thinPart = (a: Tensor, place: number): Tensor => g.part2(a, rank, tokens, thin, place * rank);

  const outs = group.map((target) => {
    const { forward, bias } = weights.matrices[target];
    let y = g.multiply(forward, x);
    const place = factors?.targets.indexOf(target) ?? -1;
    if (place >= 0) {
      // the fast kernels want the right side in one piece
      const z = g.contiguous(thinPart(inner!, place));
      y = g.add(y, g.multiply(g.transposed(factors!.b.get(target)!.value), z));
    }
    return bias ? g.add(y, bias) : y;
  });

  const back = (gradients: readonly Tensor[], input: Tensor): Tensor => {
    const dx = gradients
      .map((gradient, i) => g.multiply(weights.matrices[group[i]!].back, gradient))
      .reduce(g.add);
    if (factors === undefined) return dx;
    const seen = dropped(input);
    const rowsOf = (a: Tensor, place: number): Tensor =>
      g.part2(a, inputs, rank, inputs, place * rank * inputs);
    let through: Tensor | undefined; // s·Aᵀ Bᵀ dy
    factors.targets.forEach((target, place) => {
      const gradient = gradients[group.indexOf(target)]!;
      const b = factors.b.get(target)!;
      g.addTo(b.gradient, g.outer(gradient, thinPart(inner!, place)));
      const dInner = g.scale(g.multiply(b.value, gradient), scale); // [rank, tokens]
      g.addTo(rowsOf(factors.a.gradient, place), g.outer(seen, dInner));
      const own = g.multiply(g.transposed(rowsOf(factors.a.value, place)), dInner);
      through = through === undefined ? own : g.add(through, own);
    });
    return g.add(dx, dropped(through!));
  };
  return { outs, back };
}
