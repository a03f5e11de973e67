/** Whether a projection tells of the length of answers rather than of the trait (paper §13.2, spurious covariates). */

import { bootstrap, type Interval } from '../../math/bootstrap.ts';
import { mean, pearson } from '../../math/statistics.ts';
import type { Side } from '../../rollout/rollout.ts';

export interface MeasuredAnswer {
  side: Side;
  projection: number;
  tokens: number;
}

/**
 * Pearson r of projection and length within the sides: both are taken from their side's mean first, so that a side with
 * longer answers alone makes no correlation. With its 95 % interval.
 */
export function lengthEffect(answers: readonly MeasuredAnswer[]): Interval {
  const centred = (['pos', 'neg'] as const).flatMap((side) => {
    const own = answers.filter((answer) => answer.side === side);
    const projection = mean(own.map((answer) => answer.projection));
    const tokens = mean(own.map((answer) => answer.tokens));
    return own.map((answer) => ({ x: answer.projection - projection, y: answer.tokens - tokens }));
  });
  return bootstrap(centred.length, (drawn) => {
    const x = Float64Array.from(drawn, (i) => centred[i]!.x);
    const y = Float64Array.from(drawn, (i) => centred[i]!.y);
    return pearson(x, y);
  });
}
