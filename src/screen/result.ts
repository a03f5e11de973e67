/** What comes of a screening, as data: for the terminal, the page, gates and machines. */

import { sortedQuantile } from '../math/statistics.ts';
import type { MethodAgreement } from './agreement.ts';
import type { Group } from './groups.ts';
import type { Histogram } from './histogram.ts';
import type { Sample } from './samples.ts';
import type { Tally } from './tally.ts';

/** A sample at one end of a set, with its value. */
export interface EndSample {
  sample: Sample;
  difference: number;
}

export interface TraitResult {
  name: string;
  layer: number;
  /** of the differences of the whole set */
  n: number;
  mean: number;
  sd: number;
  min: number;
  max: number;
  /** p1 … p99 */
  quantiles: Record<string, number>;
  /** what z is relative to */
  usual: { mean: number; sd: number; n: number };
  threshold?: number;
  judgeThreshold?: number;
  histogram: Histogram;
  /** the furthest first */
  top: EndSample[];
  bottom: EndSample[];
}

export interface ScreenResult {
  output: string;
  samples: number;
  /** what makes figures mean less than they seem to, for people */
  warnings: string[];
  /** why samples have no figures, and how many */
  unmeasured: Record<string, number>;
  /** whether `usual` is of the reference, or of the set itself */
  against: 'reference' | 'set';
  traits: TraitResult[];
  all: Group;
  /** both ranked by the first trait's mean difference */
  files: Group[];
  by?: { field: string; groups: Group[] };
  kept?: { path: string; rows: number };
  dropped?: { path: string; rows: number };
  agreement?: MethodAgreement;
}

/** p1 … p99 of the values. */
export function percentiles(tally: Tally): Record<string, number> {
  const sorted = tally.sorted();
  return Object.fromEntries(
    Array.from({ length: 99 }, (_, i) => [`p${i + 1}`, sortedQuantile(sorted, (i + 1) / 100)]),
  );
}
