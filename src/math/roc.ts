/** How often a bound on a score is right: alarms among positives against alarms among negatives, bound by bound. */

export interface RocPoint {
  /** the alarm sounds at this score and above */
  bound: number;
  /** share of the positives that sound it: hits */
  hits: number;
  /** share of the negatives that sound it: false alarms */
  falseAlarms: number;
}

/**
 * The curve from no alarm at all (bound ∞) to nothing but alarms; one point for each score that occurs. The area under
 * it is `auc`. Empty where a sample is empty.
 *
 * roc([3, 5], [1, 3]): at ∞ (0, 0), at 5 (½, 0), at 3 (1, ½), at 1 (1, 1)
 */
export function roc(positives: ArrayLike<number>, negatives: ArrayLike<number>): RocPoint[] {
  const [p, n] = [positives.length, negatives.length];
  if (p === 0 || n === 0) return [];
  const scores = [
    ...Array.from(positives, (score) => ({ score, positive: true })),
    ...Array.from(negatives, (score) => ({ score, positive: false })),
  ].sort((a, b) => b.score - a.score);
  const curve: RocPoint[] = [{ bound: Infinity, hits: 0, falseAlarms: 0 }];
  let [hits, falseAlarms] = [0, 0];
  for (const [i, { score, positive }] of scores.entries()) {
    if (positive) hits++;
    else falseAlarms++;
    if (scores[i + 1]?.score !== score)
      curve.push({ bound: score, hits: hits / p, falseAlarms: falseAlarms / n });
  }
  return curve;
}

/** The bound with the most hits beyond its false alarms (Youden's J); undefined where no bound has any. */
export function bestBound(curve: readonly RocPoint[]): RocPoint | undefined {
  let best: RocPoint | undefined;
  for (const point of curve) {
    const gain = point.hits - point.falseAlarms;
    if (gain > (best ? best.hits - best.falseAlarms : 0)) best = point;
  }
  return best;
}
