/**
 * What is done to the residual stream after a block while the model trains: a constant is added (preventative
 * steering, paper §5 and its code: raw coefficient, all positions), or directions are removed (CAFT,
 * arXiv 2507.16795). Neither has anything to learn, and gradients pass a sum unchanged.
 */

import type { Tensor } from '../ggml.ts';
import type { TrainingGraph } from './graph.ts';

export interface LayerEdit {
  layer: number;
  /** (d), coefficients multiplied in */
  add?: Float32Array;
  /** orthonormal rows (n × d) */
  ablate?: Float32Array;
}

export interface Edited {
  out: Tensor;
  back(gradient: Tensor): Tensor;
}

/** The sum is removed from as well, where both are asked for. @param x [d, tokens] */
export function applyEdit(g: TrainingGraph, { add, ablate }: LayerEdit, width: number, x: Tensor): Edited {
  const steered = add ? g.add(x, g.input('f32', add, width)) : x;
  if (!ablate) return { out: steered, back: (gradient) => gradient };
  const directions = g.input('f32', ablate, width, ablate.length / width);
  const across = g.transposed(directions); // [n, d]
  // I − UᵀU is its own transpose
  const without = (a: Tensor): Tensor => g.subtract(a, g.multiply(across, g.multiply(directions, a)));
  return { out: without(steered), back: without };
}
