/** How much of a vector lies in the span of others, by an orthonormal basis of it (the Q of a QR decomposition). */

import { addScaled, dot, norm } from './vector.ts';

/** What is left of a vector beside the ones before it, as a share of its length, below which it adds no direction. */
const DEPENDENT = 1e-5;

/**
 * An orthonormal basis of the span of some vectors, each of width d; those that depend on earlier ones add nothing.
 * Gram–Schmidt, each vector cleaned twice: once leaves rounding where vectors are nearly parallel.
 *
 * orthonormal([[2, 0], [1, 1], [3, 3]]) = [[1, 0], [0, 1]]
 */
export function orthonormal(vectors: readonly ArrayLike<number>[]): Float64Array[] {
  const basis: Float64Array[] = [];
  for (const vector of vectors) {
    const rest = Float64Array.from(vector);
    for (let pass = 0; pass < 2; pass++) for (const axis of basis) addScaled(rest, axis, -dot(rest, axis));
    const length = norm(rest);
    if (length > DEPENDENT * norm(vector)) basis.push(rest.map((x) => x / length));
  }
  return basis;
}

/** Share of ‖x‖² in the span of a basis; NaN for x = 0. shareInSpan([3, 4], [[1, 0]]) = 9/25 */
export function shareInSpan(x: ArrayLike<number>, basis: readonly ArrayLike<number>[]): number {
  let inside = 0;
  for (const axis of basis) inside += dot(x, axis) ** 2;
  return inside / dot(x, x);
}
