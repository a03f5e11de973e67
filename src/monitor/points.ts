/** From answers to points (paper §7): the projection at a question under a condition, and the mean score of its answers. */

import { mean } from '../math/statistics.ts';
import type { AnswerProjections, MonitorRow } from './answer-row.ts';

/** What predicts the score: one token before the answer, or what was read while it was written. */
export type Predictor = keyof AnswerProjections;

export const PREDICTORS: readonly Predictor[] = ['prompt', 'answer', 'thinking', 'reply'];

export interface Point {
  condition: string;
  questionIndex: number;
  projection: number;
  /** 0–100, mean over the answers with a score */
  trait: number;
}

/**
 * One point per condition and question, in the order of the rows. Answers without a score, or without a token of the
 * predictor's kind, make none.
 */
export function pointsOf(rows: readonly MonitorRow[], watch: string, predictor: Predictor): Point[] {
  const cells = new Map<string, { projection: number; trait: number; row: MonitorRow }[]>();
  for (const row of rows) {
    const projection = row.projections[watch]?.[predictor] ?? null;
    if (projection === null || row.trait === null) continue;
    const key = `${row.condition}/${row.questionIndex}`;
    cells.set(key, [...(cells.get(key) ?? []), { projection, trait: row.trait, row }]);
  }
  return [...cells.values()].map((cell) => ({
    condition: cell[0]!.row.condition,
    questionIndex: cell[0]!.row.questionIndex,
    projection: mean(cell.map(({ projection }) => projection)),
    trait: mean(cell.map(({ trait }) => trait)),
  }));
}
