/**
 * Vectors of width d: lengths, angles, projections, and means of rows.
 *
 * Inputs are any array of numbers (mostly Float32Array rows of activations); sums run in float64. A matrix is one flat
 * array of rows, (n × d). Lengths that differ throw a RangeError: a silent NaN would travel far.
 */

function sameLength(a: ArrayLike<number>, b: ArrayLike<number>): void {
  if (a.length !== b.length)
    throw new RangeError(`expected vectors of equal length, got ${a.length} and ${b.length}`);
}

/** ⟨a, b⟩. dot([1, 2, 3], [4, 5, 6]) = 4 + 10 + 18 = 32 */
export function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  sameLength(a, b);
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/** ‖a‖. norm([3, 4]) = 5 */
export function norm(a: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * a[i]!;
  return Math.sqrt(sum);
}

/** ⟨a, b⟩ / (‖a‖ ‖b‖), NaN where one of them is zero. cosine([1, 0], [1, 1]) = 1/√2 */
export function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return dot(a, b) / (norm(a) * norm(b));
}

/** ⟨a, v⟩ / ‖v‖: how far a reaches along v, in a's own units; NaN for v = 0. project([2, 1], [0, 10]) = 1 */
export function project(a: ArrayLike<number>, v: ArrayLike<number>): number {
  return dot(a, v) / norm(v);
}

/** a / ‖a‖, NaNs for a = 0. unit([3, 4]) = [0.6, 0.8] */
export function unit(a: ArrayLike<number>): Float32Array {
  const length = norm(a);
  const out = new Float32Array(a.length);
  for (let i = 0; i < a.length; i++) out[i] = a[i]! / length;
  return out;
}

/** a − b. difference([5, 7], [1, 2]) = [4, 5] */
export function difference(a: ArrayLike<number>, b: ArrayLike<number>): Float32Array {
  sameLength(a, b);
  const out = new Float32Array(a.length);
  for (let i = 0; i < a.length; i++) out[i] = a[i]! - b[i]!;
  return out;
}

/** sum += factor · row, in place. With sum [1, 1]: addScaled(sum, [2, 3], 10) leaves [21, 31] */
export function addScaled(sum: Float32Array | Float64Array, row: ArrayLike<number>, factor = 1): void {
  sameLength(sum, row);
  for (let i = 0; i < row.length; i++) sum[i]! += factor * row[i]!;
}

/**
 * Mean of the rows of a matrix, (n × d) -> (d); of the `selected` rows only, when given (a row named twice counts
 * twice). NaNs where there is no row.
 *
 * meanOfRows([1, 2, 3, 4, 5, 9], 2) = [3, 5], and of the rows [0, 2] also [3, 5.5]
 */
export function meanOfRows(
  rows: ArrayLike<number>,
  width: number,
  selected?: ArrayLike<number>,
): Float64Array {
  if (rows.length % width !== 0)
    throw new RangeError(`expected rows of ${width} numbers, got ${rows.length} numbers in all`);
  const height = rows.length / width;
  const count = selected === undefined ? height : selected.length;
  const sum = new Float64Array(width);
  for (let k = 0; k < count; k++) {
    const row = selected === undefined ? k : selected[k]!;
    if (!(row >= 0 && row < height)) throw new RangeError(`expected a row in 0 … ${height - 1}, got ${row}`);
    for (let i = 0; i < width; i++) sum[i]! += rows[row * width + i]!;
  }
  for (let i = 0; i < width; i++) sum[i]! /= count;
  return sum;
}
