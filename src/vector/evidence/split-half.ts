/** How alike the directions of two halves of the questions are: what is left of a vector when the questions change. */

import type { Interval } from '../../math/bootstrap.ts';
import { random } from '../../math/random.ts';
import { mean, quantile } from '../../math/statistics.ts';
import type { Side } from '../../rollout/rollout.ts';
import { cosineOf, differenceWeights, type Gram } from './gram.ts';

/** Random divisions of the questions; the figure's own spread is small after these. */
const SPLITS = 50;

/**
 * Mean cosine over random divisions of the questions into halves, with the middle 95 % of the divisions; n = divisions.
 * NaN where no division leaves both sides in both halves.
 */
export function splitHalf(
  gram: Gram,
  sides: readonly Side[],
  questions: readonly number[],
  seed = 0,
): Interval {
  const distinct = [...new Set(questions)].sort((a, b) => a - b);
  const source = random(seed);
  const cosines: number[] = [];
  for (let k = 0; k < SPLITS; k++) {
    const first = new Set(source.shuffle([...distinct]).slice(0, Math.ceil(distinct.length / 2)));
    const a = differenceWeights(sides, (i) => first.has(questions[i]!));
    const b = differenceWeights(sides, (i) => !first.has(questions[i]!));
    if (a && b) cosines.push(cosineOf(gram, a, b));
  }
  return {
    mean: mean(cosines),
    low: quantile(cosines, 0.025),
    high: quantile(cosines, 0.975),
    n: cosines.length,
  };
}
