/** What an evaluation comes to: means of the scores with deviation and interval, and the share of refusals. */

import { looksLikeRefusal } from '../judge/refusal.ts';
import { bootstrap, type Interval } from '../math/bootstrap.ts';
import { deviation, mean } from '../math/statistics.ts';
import { wilson } from '../math/wilson.ts';
import type { EvaluationRow } from './evaluate.ts';

export interface ScoreSummary extends Interval {
  /** sample standard deviation over the answers; null for fewer than two */
  deviation: number | null;
  /** answers that got no score */
  missing: number;
}

export interface EvaluationSummary {
  setting: string;
  answers: number;
  trait: ScoreSummary;
  coherence: ScoreSummary;
  /** further judges and other traits, by their names */
  others: Record<string, { trait: ScoreSummary; coherence: ScoreSummary }>;
  /** answers that decline, by how they begin */
  refusals: Interval;
}

export function summariseEvaluation(setting: string, rows: readonly EvaluationRow[]): EvaluationSummary {
  const own = rows.filter((row) => row.setting === setting);
  const names = [...new Set(own.flatMap(({ others }) => Object.keys(others ?? {})))];
  const score = (of: (row: EvaluationRow) => number | null | undefined): ScoreSummary => summaryOf(own, of);
  return {
    setting,
    answers: own.length,
    trait: score(({ trait }) => trait),
    coherence: score(({ coherence }) => coherence),
    others: Object.fromEntries(
      names.map((name) => [
        name,
        {
          trait: score(({ others }) => others?.[name]?.trait),
          coherence: score(({ others }) => others?.[name]?.coherence),
        },
      ]),
    ),
    refusals: wilson(own.filter(({ answer }) => looksLikeRefusal(answer)).length, own.length),
  };
}

function summaryOf(
  rows: readonly EvaluationRow[],
  of: (row: EvaluationRow) => number | null | undefined,
): ScoreSummary {
  const scored = rows.filter((row) => typeof of(row) === 'number');
  const values = scored.map((row) => of(row)!);
  return {
    ...meanOfQuestions(
      values,
      scored.map(({ questionIndex }) => questionIndex),
    ),
    deviation: values.length > 1 ? deviation(values) : null,
    missing: rows.length - values.length,
  };
}

/**
 * Mean of the values, with an interval over questions: several answers to one question say less than as many
 * questions would, so whole questions are drawn.
 *
 * meanOfQuestions([10, 20, 60], [0, 0, 1]): mean 30; low 15 (question 0 alone) and high 60 at confidence 1
 */
export function meanOfQuestions(
  values: readonly number[],
  questions: readonly number[],
  confidence = 0.95,
): Interval {
  const groups = [...Map.groupBy(values.keys(), (i) => questions[i]!).values()];
  const interval = bootstrap(
    groups.length,
    (drawn) => mean(Array.from(drawn, (g) => groups[g]!).flatMap((group) => group.map((i) => values[i]!))),
    { confidence },
  );
  return { ...interval, n: values.length };
}
