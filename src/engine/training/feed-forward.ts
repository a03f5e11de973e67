/**
 * The gated activation of a feed-forward network: f(gate) · up, with f SiLU (llama, qwen) or GELU in its tanh form
 * (gemma). GELU is put together here: ggml's own looks its values up in half precision and has no derivative.
 */

import type { Tensor } from '../ggml.ts';
import type { Architecture } from './architecture.ts';
import type { TrainingGraph } from './graph.ts';

export interface Gated {
  /** f(gate) · up; made anew at each call: for the way back it costs less to compute than to keep */
  out(): Tensor;
  back(gradient: Tensor): { gate: Tensor; up: Tensor };
}

/** @param gate, up [feedForward, tokens] */
export function gated(g: TrainingGraph, { activation }: Architecture, gate: Tensor, up: Tensor): Gated {
  if (activation === 'silu')
    return {
      out: () => g.times(g.silu(gate), up),
      back: (gradient) => ({
        up: g.times(gradient, g.silu(gate)),
        gate: g.siluBack(g.times(gradient, up), gate),
      }),
    };
  return {
    out: () => g.times(gelu(g, gate).value, up),
    back: (gradient) => {
      const { value, slope } = gelu(g, gate);
      return { up: g.times(gradient, value), gate: g.times(g.times(gradient, up), slope()) };
    },
  };
}

const ROOT = Math.sqrt(2 / Math.PI);
const CUBIC = 0.044715;

/** x (1 + t) / 2 with t = tanh(u), u = √(2/π) x (1 + 0.044715 x²); slope (1 + t) / 2 + x (1 − t²) u′ / 2 */
function gelu(g: TrainingGraph, x: Tensor): { value: Tensor; slope: () => Tensor } {
  const squared = g.square(x);
  const t = g.tanh(g.times(x, g.affine(squared, ROOT * CUBIC, ROOT)));
  const half = g.affine(t, 0.5, 0.5);
  return {
    value: g.times(x, half),
    slope: () => {
      const inner = g.affine(squared, 3 * ROOT * CUBIC, ROOT);
      return g.add(half, g.times(g.times(x, inner), g.affine(g.square(t), -0.5, 0.5)));
    },
  };
}
