/** Percentile bootstrap: how far a figure would move if the sample were drawn again. */

import { random } from './random.ts';
import { sortedQuantile } from './statistics.ts';

export interface BootstrapOptions {
  /** @default 2000 */
  resamples?: number;
  /** share of resamples inside the interval. @default 0.95 */
  confidence?: number;
  /** @default 0 */
  seed?: number;
}

export interface Interval {
  /** the figure on the sample itself */
  mean: number;
  low: number;
  high: number;
  /** size of the sample */
  n: number;
}

/**
 * Interval of any figure of n items. `statistic` gets the places of the items drawn, so that pairs stay pairs; a
 * resample on which it is not defined (NaN) is left out. NaNs for n = 0.
 *
 * bootstrap(3, (drawn) => mean of [1, 2, 6] at drawn): mean 3, low 1 and high 6 at confidence 1 (all ones, all sixes)
 */
export function bootstrap(
  n: number,
  statistic: (drawn: Uint32Array) => number,
  options: BootstrapOptions = {},
): Interval {
  const { resamples = 2000, confidence = 0.95, seed = 0 } = options;
  if (n === 0) return { mean: NaN, low: NaN, high: NaN, n };
  const source = random(seed);
  const drawn = Uint32Array.from({ length: n }, (_, i) => i);
  const figure = statistic(drawn);
  const figures = new Float64Array(resamples);
  let defined = 0;
  for (let k = 0; k < resamples; k++) {
    for (let i = 0; i < n; i++) drawn[i] = source.below(n);
    const value = statistic(drawn);
    if (!Number.isNaN(value)) figures[defined++] = value;
  }
  const sorted = figures.subarray(0, defined).sort();
  const tail = (1 - confidence) / 2;
  return { mean: figure, low: sortedQuantile(sorted, tail), high: sortedQuantile(sorted, 1 - tail), n };
}

/** Interval of a mean. bootstrapMean([5, 5, 5]) = { mean: 5, low: 5, high: 5, n: 3 } */
export function bootstrapMean(values: ArrayLike<number>, options: BootstrapOptions = {}): Interval {
  return bootstrap(
    values.length,
    (drawn) => {
      let sum = 0;
      for (let i = 0; i < drawn.length; i++) sum += values[drawn[i]!]!;
      return sum / drawn.length;
    },
    options,
  );
}
