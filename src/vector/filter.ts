/**
 * Which rollouts a vector is made of (paper §4.1). The reference's rule: positive and negative answers to the same
 * question, under the same instruction pair, in the same place of the samples, are a pair; a pair is kept when the
 * positive answer shows the trait, the negative one does not, and both are coherent. The text of the paper filters
 * each side by itself.
 */

import type { Judgement } from '../judge/judge.ts';
import type { Rollout, Side } from '../rollout/rollout.ts';

export interface FilterOptions {
  /** positive answers score at least this, negative ones less than 100 minus it. @default 50 */
  threshold?: number;
  /** least coherence. @default 50 */
  coherence?: number;
  /** @default true; false: each side by itself, as the paper's text has it */
  paired?: boolean;
}

const DROP_REASONS = [
  'no score',
  'trait too weak',
  'trait too strong',
  'incoherent',
  'its pair fell',
] as const;
export type DropReason = (typeof DROP_REASONS)[number];

export interface FilteredRollout {
  rollout: Rollout;
  judgement: Judgement;
  /** undefined = kept */
  dropped: DropReason | undefined;
}

export interface JudgedRollout {
  rollout: Rollout;
  judgement: Judgement;
}

/** Says of every rollout whether it is kept, and why not. Rollouts without a side are left out. */
export function filterRollouts(
  judged: readonly JudgedRollout[],
  options: FilterOptions = {},
): FilteredRollout[] {
  const { threshold = 50, coherence = 50, paired = true } = options;
  const own = judged
    .filter(({ rollout }) => rollout.side !== 'none')
    .map((item): FilteredRollout => ({ ...item, dropped: ownFault(item, threshold, coherence) }));
  if (!paired) return own;
  const byPair = new Map<string, FilteredRollout[]>();
  for (const item of own) {
    const key = pairKey(item.rollout);
    byPair.set(key, [...(byPair.get(key) ?? []), item]);
  }
  for (const pair of byPair.values()) {
    const whole = pair.length === 2 && pair.every((item) => item.dropped === undefined);
    if (!whole) for (const item of pair) item.dropped ??= 'its pair fell';
  }
  return own;
}

function ownFault(
  { rollout, judgement }: JudgedRollout,
  threshold: number,
  coherence: number,
): DropReason | undefined {
  if (judgement.trait === null || judgement.coherence === null) return 'no score';
  if (rollout.side === 'pos' && !(judgement.trait >= threshold)) return 'trait too weak';
  if (rollout.side === 'neg' && !(judgement.trait < 100 - threshold)) return 'trait too strong';
  if (!(judgement.coherence >= coherence)) return 'incoherent';
  return undefined;
}

/** Positive and negative answers with the same key are a pair. */
export function pairKey(rollout: Rollout): string {
  return `${rollout.questionIndex}/${rollout.instructionIndex}/${rollout.sample}`;
}

export interface FilterCounts {
  asked: number;
  kept: Record<Side, number>;
  dropped: { reason: DropReason; count: number }[];
}

export function countFiltered(filtered: readonly FilteredRollout[]): FilterCounts {
  const kept = (side: Side): number =>
    filtered.filter((item) => item.rollout.side === side && item.dropped === undefined).length;
  return {
    asked: filtered.length,
    kept: { pos: kept('pos'), neg: kept('neg') },
    dropped: DROP_REASONS.map((reason) => ({
      reason,
      count: filtered.filter((item) => item.dropped === reason).length,
    })).filter(({ count }) => count > 0),
  };
}
