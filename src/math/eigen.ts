/**
 * Eigenvalues and eigenvectors of a symmetric matrix, by Jacobi's rotations: each sets one pair of entries off the
 * diagonal to zero, until all are. For some hundred rows; exact to rounding, and small values come out as well as large.
 */

export interface Eigen {
  /** largest first, (n) */
  values: Float64Array;
  /** row k is the unit eigenvector of values[k], (n × n) */
  vectors: Float64Array;
}

/** Sweeps over all pairs; six to ten are what it takes. */
const MAX_SWEEPS = 60;

/**
 * @param matrix (n × n), symmetric; left as it is
 * symmetricEigen([2, 1, 1, 2], 2) = values [3, 1], vectors ±[1, 1]/√2 and ±[1, −1]/√2
 */
export function symmetricEigen(matrix: ArrayLike<number>, n: number): Eigen {
  if (matrix.length !== n * n) throw new RangeError(`expected ${n * n} numbers, got ${matrix.length}`);
  const a = Float64Array.from(matrix);
  const v = new Float64Array(n * n); // rows are turned along with a
  for (let i = 0; i < n; i++) v[i * n + i] = 1;
  const tiny = Number.EPSILON ** 2 * a.reduce((sum, x) => sum + x * x, 0);
  for (let sweep = 0; sweep < MAX_SWEEPS && offDiagonal(a, n) > tiny; sweep++)
    for (let p = 0; p < n; p++) for (let q = p + 1; q < n; q++) rotate(a, v, n, p, q);
  const order = Array.from({ length: n }, (_, i) => i).sort((i, j) => a[j * n + j]! - a[i * n + i]!);
  const vectors = new Float64Array(n * n);
  for (const [k, i] of order.entries()) vectors.set(v.subarray(i * n, (i + 1) * n), k * n);
  return { values: Float64Array.from(order, (i) => a[i * n + i]!), vectors };
}

/** Σ of the squares above the diagonal. */
function offDiagonal(a: Float64Array, n: number): number {
  let sum = 0;
  for (let p = 0; p < n; p++) for (let q = p + 1; q < n; q++) sum += a[p * n + q]! ** 2;
  return sum;
}

/** Turns rows and columns p and q so that a[p, q] becomes zero. */
function rotate(a: Float64Array, v: Float64Array, n: number, p: number, q: number): void {
  const apq = a[p * n + q]!;
  if (apq === 0) return;
  const theta = (a[q * n + q]! - a[p * n + p]!) / (2 * apq);
  const t = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.hypot(theta, 1)); // the smaller of the two angles
  const c = 1 / Math.hypot(t, 1);
  const s = t * c;
  turn(a, n, p, q, n, c, s); // columns
  turn(a, n, p * n, q * n, 1, c, s); // rows
  turn(v, n, p * n, q * n, 1, c, s);
}

/** Turns two lines of n numbers into each other: they begin at i and j and go on by `step`. */
function turn(m: Float64Array, n: number, i: number, j: number, step: number, c: number, s: number): void {
  for (let k = 0; k < n; k++, i += step, j += step) {
    const x = m[i]!;
    const y = m[j]!;
    m[i] = c * x - s * y;
    m[j] = s * x + c * y;
  }
}
