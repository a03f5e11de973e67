/** Answers to be judged, from a run's rollouts.jsonl, any JSONL or a CSV with the columns `question` and `answer`. */

import { createHash } from 'node:crypto';
import { z } from 'zod';
import { PersonaError } from '../../errors.ts';
import { asGiven } from '../../files/as-given.ts';
import { issuesText } from '../../files/check-json.ts';
import { readCsv } from '../../files/csv.ts';
import { readJsonl, type TornLine } from '../../files/jsonl.ts';

/** Scores of one judge, as they stand in a row. */
export interface RowScores {
  trait: number | null;
  coherence: number | null;
  reason?: string | undefined;
}

/** Other fields are the user's own, and stay. */
export interface AnswerRow {
  question: string;
  answer: string;
  instructionIndex?: number | undefined;
  /** what the scores are of; see rubricId */
  scored_for?: string | undefined;
  /** by the judge's name */
  scores?: Record<string, RowScores> | undefined;
}

const score = z.number().min(0).max(100).nullable();
const schema: z.ZodType<AnswerRow> = asGiven(
  z.object({
    question: z.string(),
    answer: z.string(),
    instructionIndex: z.int().optional(),
    scored_for: z.string().optional(),
    scores: z
      .record(z.string(), z.object({ trait: score, coherence: score, reason: z.string().optional() }))
      .optional(),
  }),
);
const csvSchema: z.ZodType<AnswerRow> = asGiven(z.object({ question: z.string(), answer: z.string() }));

export interface PlacedAnswer {
  /** `file:line` */
  place: string;
  row: AnswerRow;
}

/** @throws PersonaError BAD_FILE naming file, line and field */
export async function readAnswers(file: string, onTorn?: (torn: TornLine) => void): Promise<PlacedAnswer[]> {
  const rows: PlacedAnswer[] = [];
  if (/\.csv$/i.test(file)) {
    for (const { line, value } of await readCsv(file)) {
      const checked = csvSchema.safeParse(value);
      const place = `${file}:${line}`;
      if (!checked.success)
        throw new PersonaError('BAD_FILE', `${place}: ${issuesText(checked.error.issues)}`);
      rows.push({ place, row: checked.data });
    }
  } else {
    for await (const { line, value } of readJsonl(file, schema, onTorn ? { onTorn } : {}))
      rows.push({ place: `${file}:${line}`, row: value });
  }
  return rows;
}

/** Names each row by what it holds beside scores; equal rows by their order too. */
export function rowKeys(rows: readonly AnswerRow[]): string[] {
  const seen = new Map<string, number>();
  return rows.map((row) => {
    const own = { ...row };
    delete own.scores;
    delete own.scored_for;
    const content = createHash('sha256').update(JSON.stringify(own)).digest('hex');
    const count = seen.get(content) ?? 0;
    seen.set(content, count + 1);
    return `${content} ${count}`;
  });
}
