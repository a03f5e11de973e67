/** A rollout: one answer of the model to one question under one instruction, with the means read on the way. */

import { z } from 'zod';
import type { MeanKind } from '../engine/request.ts';

export type Side = 'pos' | 'neg';

/** Under which instruction: a side of a pair, or none at all (the model as it usually is). */
export type Elicitation = Side | 'none';

/** One line of rollouts.jsonl. */
export interface Rollout {
  /** `question_side_instruction_sample`: the key by which a killed run goes on */
  id: string;
  side: Elicitation;
  question: string;
  questionIndex: number;
  /** −1 where there was none */
  instructionIndex: number;
  sample: number;
  /** the rendered prompt, as the model saw it */
  prompt: string;
  answer: string;
  tokens: number;
  finishReason: string;
}

export const rolloutSchema: z.ZodType<Rollout> = z.object({
  id: z.string(),
  side: z.enum(['pos', 'neg', 'none']),
  question: z.string(),
  questionIndex: z.int(),
  instructionIndex: z.int(),
  sample: z.int(),
  prompt: z.string(),
  answer: z.string(),
  tokens: z.int(),
  finishReason: z.string(),
});

/** Activations of one rollout, every kind (layers × d). An empty answer has no response mean. */
export interface RolloutMeans {
  means: Partial<Record<MeanKind, Float32Array>>;
  /** mean residual norm over answer tokens, (layers) */
  residualNorms: Float32Array | undefined;
}

export interface AskedRollout extends RolloutMeans {
  rollout: Rollout;
}
