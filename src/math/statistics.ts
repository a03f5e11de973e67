/** Figures of one or two samples. NaN where a figure is not defined: no values, or no spread to divide by. */

import { ranks } from './ranks.ts';

/** mean([1, 2, 6]) = 3 */
export function mean(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]!;
  return sum / values.length;
}

/** Sample standard deviation (n − 1). deviation([2, 4, 4, 4, 5, 5, 7, 9]) = √(32/7) */
export function deviation(values: ArrayLike<number>): number {
  const center = mean(values);
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += (values[i]! - center) ** 2;
  return Math.sqrt(sum / (values.length - 1));
}

/**
 * The value below which a share q of the sample lies, interpolated between neighbours (type 7, as numpy and R do).
 * quantile([4, 1, 3, 2], 0.5) = 2.5
 */
export function quantile(values: ArrayLike<number>, q: number): number {
  return sortedQuantile(Float64Array.from(values).sort(), q);
}

/** As quantile, of values that are sorted already. sortedQuantile([1, 2, 3, 4], 0.25) = 1.75 */
export function sortedQuantile(sorted: ArrayLike<number>, q: number): number {
  if (!(q >= 0 && q <= 1)) throw new RangeError(`expected a share from 0 to 1, got ${q}`);
  if (sorted.length === 0) return NaN;
  const place = q * (sorted.length - 1);
  const below = Math.floor(place);
  const low = sorted[below]!;
  const high = sorted[Math.min(below + 1, sorted.length - 1)]!;
  const part = place - below;
  return part === 0 ? low : low * (1 - part) + high * part;
}

/** Pearson correlation of pairs. pearson([1, 2, 3], [2, 4, 6]) = 1; pearson([1, 2, 3, 4], [1, 3, 2, 4]) = 0.8 */
export function pearson(x: ArrayLike<number>, y: ArrayLike<number>): number {
  if (x.length !== y.length) throw new RangeError(`expected pairs, got ${x.length} and ${y.length} values`);
  const meanX = mean(x);
  const meanY = mean(y);
  let xx = 0;
  let yy = 0;
  let xy = 0;
  for (let i = 0; i < x.length; i++) {
    const dx = x[i]! - meanX;
    const dy = y[i]! - meanY;
    xx += dx * dx;
    yy += dy * dy;
    xy += dx * dy;
  }
  return Math.max(-1, Math.min(1, xy / (Math.sqrt(xx) * Math.sqrt(yy)))); // rounding may reach 1 + 1e-16
}

/** Spearman correlation: Pearson of the ranks. spearman([1, 2, 3, 4], [1, 100, 10, 1000]) = 0.8 */
export function spearman(x: ArrayLike<number>, y: ArrayLike<number>): number {
  return pearson(ranks(x), ranks(y));
}
