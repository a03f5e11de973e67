/**
 * Reckoning with directions, layer by layer: sums, projections, lengths (paper §5.3, §13.4). All take and give matrices
 * (layers × d) of width d; where a layer's direction is zero it stays out of what would divide by its length.
 */

import { addScaled, dot, norm } from '../math/vector.ts';

/** Σ wᵢ vᵢ. The sum runs in float64. */
export function weightedSum(terms: readonly { directions: Float32Array; weight: number }[]): Float32Array {
  const sum = new Float64Array(terms[0]?.directions.length ?? 0);
  for (const { directions, weight } of terms) addScaled(sum, directions, weight);
  return Float32Array.from(sum);
}

/** The part of v along u. along([3, 4], [0, 2]) = [0, 4] */
export function along(v: Float32Array, u: Float32Array, width: number): Float32Array {
  return perLayer(v, width, (row, b) => {
    const target = rowOf(u, b, width);
    const length = dot(target, target);
    const out = new Float64Array(width);
    if (length > 0) addScaled(out, target, dot(row, target) / length);
    return out;
  });
}

/** v without what lies in the span of the others: it is orthogonal to each of them. away([3, 4], [[0, 2]]) = [3, 0] */
export function away(v: Float32Array, others: readonly Float32Array[], width: number): Float32Array {
  return perLayer(v, width, (row, b) => {
    const basis: Float64Array[] = [];
    for (const other of others) extendBasis(basis, rowOf(other, b, width));
    return remainder(row, basis) ?? new Float64Array(width);
  });
}

/** Gram–Schmidt: each without what the ones before it hold already. */
export function orthogonalise(vectors: readonly Float32Array[], width: number): Float32Array[] {
  return vectors.map((vector, i) => away(vector, vectors.slice(0, i), width));
}

/** Each layer's direction with the length that is asked for. @param lengths (layers), or one for all */
export function withLengths(
  v: Float32Array,
  lengths: number | ArrayLike<number>,
  width: number,
): Float32Array {
  return perLayer(v, width, (row, b) => {
    const length = norm(row);
    const wanted = typeof lengths === 'number' ? lengths : lengths[b]!;
    return length > 0 ? Float64Array.from(row, (x) => (x * wanted) / length) : row;
  });
}

/** ‖v‖ at each layer, (layers) */
export function lengthsOf(v: Float32Array, width: number): number[] {
  return Array.from({ length: v.length / width }, (_, b) => norm(rowOf(v, b, width)));
}

/** v[b] − v[b − 1], and v[0] as it is: added at every block, the offset at block b is v[b] again (paper §5.3). */
export function increments(v: Float32Array, width: number): Float32Array {
  return Float32Array.from(v, (x, i) => (i < width ? x : x - v[i - width]!));
}

function rowOf(v: Float32Array, b: number, width: number): Float32Array {
  return v.subarray(b * width, (b + 1) * width);
}

function perLayer(
  v: Float32Array,
  width: number,
  change: (row: Float32Array, b: number) => ArrayLike<number>,
): Float32Array {
  const out = new Float32Array(v.length);
  for (let b = 0; b * width < v.length; b++) out.set(change(rowOf(v, b, width), b), b * width);
  return out;
}

/** Shares below this of a direction's length are rounding of float32, not a direction of their own. */
const ROUNDING = 1e-5;

/** Adds the unit vector of what the basis does not hold yet of `row`, if there is such a thing. */
function extendBasis(basis: Float64Array[], row: Float32Array): void {
  const rest = remainder(row, basis);
  if (!rest) return;
  const length = norm(rest);
  basis.push(rest.map((x) => x / length));
}

/** What is left of `row` outside the basis; undefined where that is nothing but rounding. */
function remainder(row: Float32Array, basis: readonly Float64Array[]): Float64Array | undefined {
  const rest = Float64Array.from(row);
  // twice, since once leaves the rounding of a long part taken away
  for (let pass = 0; pass < 2; pass++) for (const unit of basis) addScaled(rest, unit, -dot(rest, unit));
  return norm(rest) > ROUNDING * norm(row) ? rest : undefined;
}
