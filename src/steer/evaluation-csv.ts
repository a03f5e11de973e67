/**
 * An evaluation as the reference's CSV (paper §2.4): `question,prompt,answer,question_id,{trait},coherence`, a missing
 * score empty. What the reference does not have stands behind: other traits, further judges, the setting.
 */

import { csvLine } from '../files/csv.ts';
import type { EvaluationRow } from './evaluate.ts';

export interface EvaluationColumns {
  trait: string;
  /** other traits scored by the first judge: a column `{other}` each */
  sideEffects: readonly string[];
  /** further judges: `{trait}_{judge}` and `coherence_{judge}` each */
  judges: readonly string[];
  /** say how each answer was steered, where several settings stand in one file */
  setting: boolean;
}

export function evaluationCsv(rows: readonly EvaluationRow[], columns: EvaluationColumns): string {
  const { trait, sideEffects, judges, setting } = columns;
  const header = [
    'question',
    'prompt',
    'answer',
    'question_id',
    trait,
    'coherence',
    ...sideEffects,
    ...judges.flatMap((judge) => [`${trait}_${judge}`, `coherence_${judge}`]),
    ...(setting ? ['steering'] : []),
  ];
  const lines = rows.map((row) => [
    row.question,
    row.prompt,
    row.answer,
    row.questionId,
    row.trait,
    row.coherence,
    ...sideEffects.map((name) => row.others?.[name]?.trait),
    ...judges.flatMap((name) => [row.others?.[name]?.trait, row.others?.[name]?.coherence]),
    ...(setting ? [row.setting] : []),
  ]);
  return [header, ...lines].map((line) => `${csvLine(line)}\n`).join('');
}
