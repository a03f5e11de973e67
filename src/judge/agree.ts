/** How far two judges agree on the same answers; each figure with an interval, for a few answers prove little. */

import { auc } from '../math/auc.ts';
import { bootstrap, type BootstrapOptions, type Interval } from '../math/bootstrap.ts';
import { concordance } from '../math/concordance.ts';
import { pearson, spearman } from '../math/statistics.ts';

export interface Agreement {
  /** answers that both gave a score, and those that one or both could not score */
  answers: number;
  unscored: number;
  pearson: Interval;
  spearman: Interval;
  /** how well A's scores tell the answers that B gives at least 50 from the others */
  auc: Interval;
  /** share of pairs that both order alike; a tie of A counts half */
  pairwise: Interval;
  /** `clear`: pairs that B scores above 80 and below 20 (paper §3.3); `all`: there are too few of them, so all that B
   *  tells apart */
  pairs: 'clear' | 'all';
}

const SHOWS = 50;
const CLEARLY = { above: 80, below: 20 };
/** Answers on each side, for clear pairs to mean something. */
const ENOUGH = 2;

/** @param a scores of the one judge, `b` of the other, in the same order; the second one is taken as the measure */
export function agreement(
  a: readonly (number | null)[],
  b: readonly (number | null)[],
  options: BootstrapOptions = {},
): Agreement {
  if (a.length !== b.length) throw new RangeError(`expected pairs, got ${a.length} and ${b.length} scores`);
  const both = a.flatMap((score, i) => (score === null || b[i] === null ? [] : [[score, b[i]!] as const]));
  const [x, y] = [both.map(([score]) => score), both.map(([, score]) => score)];
  const figure = (of: (x: Float64Array, y: Float64Array) => number): Interval =>
    bootstrap(both.length, (drawn) => of(pick(x, drawn), pick(y, drawn)), options);
  const high = y.filter((score) => score > CLEARLY.above).length;
  const low = y.filter((score) => score < CLEARLY.below).length;
  const clear = high >= ENOUGH && low >= ENOUGH;
  return {
    answers: both.length,
    unscored: a.length - both.length,
    pearson: figure(pearson),
    spearman: figure(spearman),
    auc: figure((p, q) =>
      apart(
        p,
        q,
        (score) => score >= SHOWS,
        (score) => score < SHOWS,
      ),
    ),
    pairwise: figure(
      clear
        ? (p, q) =>
            apart(
              p,
              q,
              (score) => score > CLEARLY.above,
              (score) => score < CLEARLY.below,
            )
        : concordance,
    ),
    pairs: clear ? 'clear' : 'all',
  };
}

/** How often `scores` puts one of those that the measure calls high above one that it calls low. */
function apart(
  scores: Float64Array,
  measure: Float64Array,
  isHigh: (score: number) => boolean,
  isLow: (score: number) => boolean,
): number {
  return auc(
    scores.filter((_, i) => isHigh(measure[i]!)),
    scores.filter((_, i) => isLow(measure[i]!)),
  );
}

function pick(values: readonly number[], drawn: Uint32Array): Float64Array {
  return Float64Array.from(drawn, (i) => values[i]!);
}
