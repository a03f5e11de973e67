/** How well a score tells two samples apart. NaN where a sample is empty. */

import { ranks } from './ranks.ts';
import { deviation, mean } from './statistics.ts';

/**
 * Area under the ROC curve: the chance that a positive scores above a negative, a tie counting half. 0.5 = blind.
 *
 * auc([3, 5], [1, 3]): of the four pairs three are won and one is tied, 3.5 / 4 = 0.875
 */
export function auc(positives: ArrayLike<number>, negatives: ArrayLike<number>): number {
  const p = positives.length;
  const n = negatives.length;
  const all = new Float64Array(p + n);
  all.set(positives, 0);
  all.set(negatives, p);
  const rank = ranks(all);
  let sum = 0;
  for (let i = 0; i < p; i++) sum += rank[i]!;
  return (sum - (p * (p + 1)) / 2) / (p * n);
}

/**
 * d′: the distance of the two means in units of the pooled deviation √((s₊² + s₋²) / 2).
 *
 * dPrime([4, 6], [1, 3]): means 5 and 2, both deviations √2, so 3/√2
 */
export function dPrime(positives: ArrayLike<number>, negatives: ArrayLike<number>): number {
  const pooled = Math.sqrt((deviation(positives) ** 2 + deviation(negatives) ** 2) / 2);
  return (mean(positives) - mean(negatives)) / pooled;
}
