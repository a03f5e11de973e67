/** Wilson's interval of a proportion: honest also for few trials and for none or all successes. */

import type { Interval } from './bootstrap.ts';

const Z_95 = 1.959963984540054; // normal quantile at 0.975

/** wilson(8, 10) = { mean: 0.8, low: 0.4902, high: 0.9433, n: 10 }; of no trials nothing is known: 0 … 1 */
export function wilson(successes: number, n: number, z: number = Z_95): Interval {
  if (!(successes >= 0 && successes <= n))
    throw new RangeError(`expected 0 … ${n} successes, got ${successes}`);
  if (n === 0) return { mean: NaN, low: 0, high: 1, n };
  const share = successes / n;
  const weight = (z * z) / n;
  const center = (share + weight / 2) / (1 + weight);
  const half = (z / (1 + weight)) * Math.sqrt((share * (1 - share)) / n + weight / (4 * n));
  return {
    mean: share,
    low: successes === 0 ? 0 : Math.max(0, center - half), // exact ends, free of rounding
    high: successes === n ? 1 : Math.min(1, center + half),
    n,
  };
}
