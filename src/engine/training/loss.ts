/**
 * The loss: −log p(next token) of the tokens that are learnt, each weighed alike. The head is computed for their rows
 * only, a few at a time, because logits are by far the widest rows of all.
 *
 * Of logits z = W n the gradient is dn = Wᵀ softmax(z) − W[target]: the row of the right token is looked up, and no
 * matrix of labels is needed.
 */

import type { Tensor } from '../ggml.ts';
import type { Architecture } from './architecture.ts';
import type { TrainingGraph } from './graph.ts';
import type { Weights } from './weights.ts';

/** Numbers of logits that are in memory together: 64 MiB of f32. */
const LOGITS = 2 ** 24;

/** f32 has nothing smaller to take the logarithm of: a loss is at most 87. */
const LEAST = 1e-38;

export interface TokenLoss {
  /** −log p by learnt token, one tensor a chunk: [1, rows] */
  losses: Tensor[];
  /** @param weight of each token in the loss @returns the gradient of x, [d, tokens] */
  back(weight: number): Tensor;
}

/**
 * @param x [d, tokens], after the last block
 * @param rows places among the tokens whose next token is learnt; `targets` those next tokens
 */
export function tokenLoss(
  g: TrainingGraph,
  architecture: Architecture,
  weights: Weights,
  x: Tensor,
  tokens: number,
  { rows, targets }: { rows: Int32Array; targets: Int32Array },
): TokenLoss {
  const { width, vocabulary, epsilon } = architecture;
  const picked = g.rows(x, g.input('i32', rows, rows.length)); // [d, rows]
  const normed = g.times(g.rmsNorm(picked, epsilon), weights.outputNorm);
  const size = Math.max(1, Math.floor(LOGITS / vocabulary));
  const chunks = Array.from({ length: Math.ceil(rows.length / size) }, (_, i) => {
    const from = i * size;
    const target = targets.subarray(from, from + size);
    const count = target.length;
    const n = g.part2(normed, width, count, width, from * width);
    const p = g.softmax(g.multiply(weights.head.forward, n), null, 1); // [vocabulary, count]
    const places = Int32Array.from(target, (token, row) => row * vocabulary + token);
    const right = g.rows(g.shape2(p, 1, vocabulary * count), g.input('i32', places, count));
    // clamp makes 1 of what is no number, and a loss of 0: 0 · p brings it back
    const least = g.add(g.clamp(right, LEAST, 1), g.scale(right, 0));
    return { p, target, count, loss: g.output(g.scale(g.log(least), -1)) };
  });

  return {
    losses: chunks.map(({ loss }) => loss),
    back: (weight) => {
      const dn = chunks
        .map(({ p, target, count }) =>
          g.subtract(
            g.multiply(weights.head.back, p),
            g.rows(weights.head.forward, g.input('i32', target, count)),
          ),
        )
        .reduce((a, b) => g.concat(a, b, 1));
      const dPicked = g.rmsNormBack(g.times(g.scale(dn, weight), weights.outputNorm), picked, epsilon);
      // back to their places: every other token takes the row of zeros behind them
      const places = new Int32Array(tokens).fill(rows.length);
      rows.forEach((row, i) => (places[row] = i));
      const zero = g.input('f32', new Float32Array(width), width);
      return g.rows(g.concat(dPicked, zero, 1), g.input('i32', places, tokens));
    },
  };
}
