/**
 * Mean-difference directions of one layer by inner products alone. A direction is a weighting w of the samples,
 * v = Σ wᵢ xᵢ, so lengths, angles and projections of any number of such directions need only the Gram matrix
 * G = X Xᵀ of the samples: ⟨v_w, v_u⟩ = wᵀ G u, ⟨xᵢ, v_w⟩ = (G w)ᵢ. Thousands of resampled directions then cost n²
 * each, however wide the model is.
 */

import type { Side } from '../../rollout/rollout.ts';

/** Inner products of n samples, (n × n), symmetric. */
export interface Gram {
  n: number;
  values: Float64Array;
}

/** @param rows n of equal width */
export function gramOf(rows: readonly Float32Array[]): Gram {
  const n = rows.length;
  const values = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    const a = rows[i]!;
    for (let j = 0; j <= i; j++) {
      const b = rows[j]!;
      let sum = 0;
      for (let k = 0; k < a.length; k++) sum += a[k]! * b[k]!;
      values[i * n + j] = sum;
      values[j * n + i] = sum;
    }
  }
  return { n, values };
}

/** The weights of mean(pos) − mean(neg) over the chosen samples; undefined where a side is missing. */
export function differenceWeights(
  sides: readonly Side[],
  chosen?: (index: number) => boolean,
): Float64Array | undefined {
  const counts: Record<Side, number> = { pos: 0, neg: 0 };
  sides.forEach((side, i) => {
    if (chosen?.(i) ?? true) counts[side]++;
  });
  if (counts.pos === 0 || counts.neg === 0) return undefined;
  return Float64Array.from(sides, (side, i) => {
    if (chosen && !chosen(i)) return 0;
    return side === 'pos' ? 1 / counts.pos : -1 / counts.neg;
  });
}

/** ⟨xᵢ, v_w⟩ for every sample, (n) */
export function products(gram: Gram, w: Float64Array): Float64Array {
  const { n, values } = gram;
  const out = new Float64Array(n);
  for (let j = 0; j < n; j++) {
    const weight = w[j]!;
    if (weight === 0) continue;
    for (let i = 0; i < n; i++) out[i]! += weight * values[j * n + i]!;
  }
  return out;
}

/** ⟨v_w, v_u⟩, of the products of w */
export function inner(productsOfW: Float64Array, u: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < u.length; i++) sum += productsOfW[i]! * u[i]!;
  return sum;
}

/** cos(v_w, v_u) */
export function cosineOf(gram: Gram, w: Float64Array, u: Float64Array): number {
  const gw = products(gram, w);
  const gu = products(gram, u);
  return inner(gw, u) / Math.sqrt(inner(gw, w) * inner(gu, u));
}
