/**
 * How well a projection predicts the trait (paper §7). Overall r rewards a monitor for telling strong instructions
 * apart, which anybody can who reads them; r within the conditions asks whether it tells answers apart that had the
 * same instruction. Both are given, with their 95 % bootstrap intervals over the points.
 */

import { auc } from '../math/auc.ts';
import { bootstrap, type Interval } from '../math/bootstrap.ts';
import { bestBound, roc, type RocPoint } from '../math/roc.ts';
import { deviation, mean, pearson, spearman } from '../math/statistics.ts';
import type { Point } from './points.ts';

/** A condition whose scores differ by less has nothing that could be predicted (paper §7). */
const LEAST_DEVIATION = 1;
/** Two points always lie on a line. */
const LEAST_POINTS = 3;
/** From this score on an answer counts as showing the trait. */
export const SHOWS_TRAIT = 50;

export interface Correlations {
  pearson: Interval;
  spearman: Interval;
  within: WithinCorrelation;
}

export interface WithinCorrelation extends Interval {
  /** r of each condition that counts */
  conditions: { condition: string; r: number; points: number }[];
  /** conditions whose scores are too alike, or too few */
  dropped: string[];
}

export interface Detection {
  /** of the points with a score of 50 and more against the others */
  auc: Interval;
  positives: number;
  negatives: number;
  roc: RocPoint[];
  /** the bound that parts these points best; on others it will be a little worse */
  best?: RocPoint;
}

export function correlationsOf(points: readonly Point[]): Correlations {
  const of = (figure: typeof pearson): Interval =>
    bootstrap(points.length, (drawn) => {
      const sample = Array.from(drawn, (i) => points[i]!);
      return figure(
        sample.map(({ projection }) => projection),
        sample.map(({ trait }) => trait),
      );
    });
  return { pearson: of(pearson), spearman: of(spearman), within: withinCorrelation(points) };
}

/** Mean of the conditions' own r. Which conditions count is decided once, not anew in each resample. */
export function withinCorrelation(points: readonly Point[]): WithinCorrelation {
  const groups = byCondition(points);
  const counting = groups.filter(
    (group) => group.length >= LEAST_POINTS && deviation(group.map(({ trait }) => trait)) >= LEAST_DEVIATION,
  );
  const kept = counting.flat();
  const interval = bootstrap(kept.length, (drawn) =>
    meanOfR(byCondition(Array.from(drawn, (i) => kept[i]!))),
  );
  return {
    ...interval,
    conditions: counting.map((group) => ({
      condition: group[0]!.condition,
      r: rOf(group),
      points: group.length,
    })),
    dropped: groups.filter((group) => !counting.includes(group)).map((group) => group[0]!.condition),
  };
}

export function detectionOf(points: readonly Point[]): Detection {
  const shows = points.map(({ trait }) => trait >= SHOWS_TRAIT);
  const part = (which: boolean, drawn: ArrayLike<number>): number[] =>
    Array.from(drawn)
      .filter((i) => shows[i] === which)
      .map((i) => points[i]!.projection);
  const all = points.map((_, i) => i);
  const curve = roc(part(true, all), part(false, all));
  const best = bestBound(curve);
  return {
    auc: bootstrap(points.length, (drawn) => auc(part(true, drawn), part(false, drawn))),
    positives: part(true, all).length,
    negatives: part(false, all).length,
    roc: curve,
    ...(best ? { best } : {}),
  };
}

export interface CalibrationBin {
  /** least, mean and greatest projection */
  low: number;
  projection: number;
  high: number;
  /** mean score, with its interval */
  trait: Interval;
}

/** The points in order of their projection, in bins of about equal size. */
export function calibrationBins(points: readonly Point[], count = 6): CalibrationBin[] {
  const sorted = points.toSorted((a, b) => a.projection - b.projection);
  const bins = Math.min(count, sorted.length);
  return Array.from({ length: bins }, (_, k) => {
    const own = sorted.slice(
      Math.floor((k * sorted.length) / bins),
      Math.floor(((k + 1) * sorted.length) / bins),
    );
    return {
      low: own[0]!.projection,
      projection: mean(own.map(({ projection }) => projection)),
      high: own.at(-1)!.projection,
      trait: bootstrap(own.length, (drawn) => mean(Array.from(drawn, (i) => own[i]!.trait))),
    };
  });
}

function byCondition(points: readonly Point[]): Point[][] {
  return [...Map.groupBy(points, ({ condition }) => condition).values()];
}

function rOf(points: readonly Point[]): number {
  return pearson(
    points.map(({ projection }) => projection),
    points.map(({ trait }) => trait),
  );
}

/** Of the conditions where r is defined; a resample may leave one without a spread. */
function meanOfR(groups: readonly Point[][]): number {
  return mean(groups.map(rOf).filter((r) => !Number.isNaN(r)));
}
