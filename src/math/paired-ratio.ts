/** How two things that were measured in turn compare, where the machine's speed drifts: by the ratios of neighbours. */

import { sortedQuantile } from './statistics.ts';

export interface PairedRatio {
  median: number;
  /** first and third quartile of the pairs' ratios */
  low: number;
  high: number;
  pairs: number;
}

/**
 * a/b of each pair, and their median and quartiles.
 * pairedRatio([1, 4, 9], [2, 4, 6]): the ratios are 0.5, 1 and 1.5; median 1, low 0.75, high 1.25
 */
export function pairedRatio(a: ArrayLike<number>, b: ArrayLike<number>): PairedRatio {
  if (a.length !== b.length) throw new RangeError(`expected pairs, got ${a.length} and ${b.length} values`);
  const ratios = new Float64Array(a.length);
  for (let i = 0; i < ratios.length; i++) ratios[i] = a[i]! / b[i]!;
  ratios.sort();
  return {
    median: sortedQuantile(ratios, 0.5),
    low: sortedQuantile(ratios, 0.25),
    high: sortedQuantile(ratios, 0.75),
    pairs: ratios.length,
  };
}
