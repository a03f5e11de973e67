/** One line of monitor.jsonl: an answer under a condition, with what was read of it and what judges say. */

import { z } from 'zod';
import type { Judgement } from '../judge/judge.ts';
import { judgementSchema } from '../vector/tune.ts';

/** Projections of one watched vector, in units of activation norm. */
export interface AnswerProjections {
  /** at the last token of the prompt: the prediction, before a word is said */
  prompt: number;
  /** mean over the answer; null for an empty one */
  answer: number | null;
  /** means over thoughts and reply, of a model that thinks first */
  thinking?: number | null;
  reply?: number | null;
}

export interface MonitorRow extends Judgement {
  condition: string;
  questionIndex: number;
  sample: number;
  question: string;
  answer: string;
  tokens: number;
  finishReason: string;
  /** by the names of the watches */
  projections: Record<string, AnswerProjections>;
  /** scores of further judges, by their names */
  others?: Record<string, Judgement>;
}

const projections = z.object({
  prompt: z.number(),
  answer: z.number().nullable(),
  thinking: z.number().nullable().optional(),
  reply: z.number().nullable().optional(),
});

export const monitorRowSchema = z.object({
  condition: z.string(),
  questionIndex: z.int(),
  sample: z.int(),
  question: z.string(),
  answer: z.string(),
  tokens: z.int(),
  finishReason: z.string(),
  projections: z.record(z.string(), projections),
  ...judgementSchema.shape,
  others: z.record(z.string(), judgementSchema).optional(),
}) as z.ZodType<MonitorRow>;

export function monitorKey(row: Pick<MonitorRow, 'condition' | 'questionIndex' | 'sample'>): string {
  return `${row.condition}/${row.questionIndex}/${row.sample}`;
}
