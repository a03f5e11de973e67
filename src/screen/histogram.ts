/** Values counted in bins of equal width: of a set, and of its reference in the same bins. */

import type { Tally } from './tally.ts';

export interface Histogram {
  /** where bins begin and end, one more than there are bins */
  edges: number[];
  /** shares of the values, by bin */
  set: number[];
  reference?: number[];
}

const BINS = 40;

/** All values of both lie in the bins, the largest one in the last. */
export function histogram(set: Tally, reference?: Tally): Histogram {
  const low = reference && reference.n > 0 ? Math.min(set.min, reference.min) : set.min;
  const high = reference && reference.n > 0 ? Math.max(set.max, reference.max) : set.max;
  if (!(high >= low)) return { edges: [], set: [] };
  const width = (high - low || 1) / BINS; // of a single value: a bin of any width
  const share = (tally: Tally): number[] => {
    const values = tally.sorted();
    const counts = Array.from({ length: BINS }, () => 0);
    for (const value of values) counts[Math.max(0, Math.min(BINS - 1, Math.floor((value - low) / width)))]!++;
    return counts.map((count) => count / values.length);
  };
  return {
    edges: Array.from({ length: BINS + 1 }, (_, i) => low + i * width),
    set: share(set),
    ...(reference && { reference: share(reference) }),
  };
}
