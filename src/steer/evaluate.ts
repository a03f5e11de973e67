/**
 * A trait's evaluation: the model answers the evaluation questions, steered as it was asked for, and judges score the
 * answers. Settings that are compared are asked together, with the same seeds.
 */

import { createHash } from 'node:crypto';
import { z } from 'zod';
import { inFlight } from '../engine/in-flight.ts';
import type { Edit } from '../engine/request.ts';
import type { Judge, Judgement } from '../judge/judge.ts';
import { LIKELIHOOD } from '../judge/likelihood.ts';
import type { ChatModel } from '../model/chat-model.ts';
import type { Progress } from '../model/progress.ts';
import { inFlightLimit } from '../rollout/ask.ts';
import type { PlannedAnswer } from '../rollout/plan-evaluation.ts';
import { completeLog } from '../vector/complete-log.ts';
import { JUDGING_IN_FLIGHT } from '../vector/score.ts';
import { judgeBy } from '../vector/sweep.ts';
import { isJudged, judgementSchema } from '../vector/tune.ts';

/** A way of answering; its name is part of the keys of a run's rows. */
export interface EvaluationSetting {
  name: string;
  edits: readonly Edit[];
}

/** An answer to an evaluation question. */
export interface EvaluationAnswer {
  setting: string;
  questionId: string;
  questionIndex: number;
  sample: number;
  question: string;
  /** rendered, as the model saw it */
  prompt: string;
  answer: string;
  finishReason: string;
}

/** With its scores: one line of answers.jsonl. */
export interface EvaluationRow extends EvaluationAnswer, Judgement {
  /** scores of further judges and of other traits, by their names */
  others?: Record<string, Judgement>;
}

const answerShape = {
  setting: z.string(),
  questionId: z.string(),
  questionIndex: z.int(),
  sample: z.int(),
  question: z.string(),
  prompt: z.string(),
  answer: z.string(),
  finishReason: z.string(),
};
export const evaluationAnswerSchema: z.ZodType<EvaluationAnswer> = z.object(answerShape);
export const evaluationRowSchema = z.object({
  ...answerShape,
  ...judgementSchema.shape,
  others: z.record(z.string(), judgementSchema).optional(),
}) as z.ZodType<EvaluationRow>;

export interface EvaluateOptions {
  maxTokens: number;
  temperature: number;
  seed: number;
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: Progress) => void) | undefined;
}

/**
 * @param judges the first one's scores are the trait's, the others' stand beside by their names
 * @param path answers.jsonl; answers it holds are not asked again
 * @returns rows setting by setting, in the order of the plan
 */
export async function evaluateTrait(
  model: ChatModel,
  plan: readonly PlannedAnswer[],
  settings: readonly EvaluationSetting[],
  judges: readonly [Judge, ...Judge[]],
  path: string,
  options: EvaluateOptions,
): Promise<EvaluationRow[]> {
  const cells = settings.flatMap(({ name, edits }) =>
    plan.map((planned) => ({ ...planned, setting: name, edits })),
  );
  const ask = async (cell: (typeof cells)[number], signal: AbortSignal): Promise<EvaluationRow> => {
    const row = await answerEvaluation(model, cell, options, signal);
    const { question, answer } = row;
    const { instructionIndex } = cell;
    const item = { question, answer, ...(instructionIndex === undefined ? {} : { instructionIndex }) };
    return { ...row, ...(await judgeBy(judges, item, signal)) };
  };
  const elsewhere = judges.some(({ name }) => name !== LIKELIHOOD) ? JUDGING_IN_FLIGHT : 0; // the engine writes on
  return await completeLog<(typeof cells)[number], EvaluationRow>(path, {
    schema: evaluationRowSchema,
    keyOf: evaluationKey,
    counts: isJudged,
    items: cells,
    make: (missing) => inFlight(missing, inFlightLimit(model) + elsewhere, ask, options.signal),
    label: 'asking and judging',
    unit: 'answers',
    onProgress: options.onProgress,
  });
}

/** One answer, under one setting. */
export async function answerEvaluation(
  model: ChatModel,
  planned: PlannedAnswer & { setting: string; edits?: readonly Edit[] | undefined },
  { maxTokens, temperature, seed }: Pick<EvaluateOptions, 'maxTokens' | 'temperature' | 'seed'>,
  signal: AbortSignal,
): Promise<EvaluationAnswer> {
  const { setting, edits, questionId, question, questionIndex, sample, messages } = planned;
  const prompt = model.render(messages);
  const { text: answer, finishReason } = await model.engine.run(
    {
      prompt,
      maxTokens,
      sampling: { temperature, seed: seed + ownSeed(questionId, sample) },
      ...(edits && { edits }),
    },
    { signal },
  );
  return { setting, questionId, questionIndex, sample, question, prompt, answer, finishReason };
}

/** The same under every setting, so that settings differ by what they are alone. */
function ownSeed(questionId: string, sample: number): number {
  return createHash('sha256').update(`${questionId}/${sample}`).digest().readUInt32LE();
}

/** Among the answers of a log. */
export function evaluationKey(row: Pick<EvaluationAnswer, 'setting' | 'questionId' | 'sample'>): string {
  return `${row.setting}/${row.questionId}/${row.sample}`;
}
