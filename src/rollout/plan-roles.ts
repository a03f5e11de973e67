/** Which questions are asked in which role, and of the model as it usually is (paper §13.3). */

import { z } from 'zod';
import type { ChatMessage } from '../model/template.ts';
import type { RoleSet } from './roles.ts';

/** One answer, in a role or as the model usually is. */
export interface RoleRollout {
  /** `role_prompt_question`: the key by which a killed run goes on */
  id: string;
  /** null: as the model usually is */
  role: string | null;
  /** of the role's prompts, or of the neutral ones, where −1 is no system prompt at all */
  promptIndex: number;
  question: string;
  questionIndex: number;
  /** the rendered prompt, as the model saw it */
  prompt: string;
  answer: string;
  tokens: number;
  finishReason: string;
}

export interface PlannedRole extends Omit<RoleRollout, 'prompt' | 'answer' | 'tokens' | 'finishReason'> {
  messages: ChatMessage[];
}

export const roleRolloutSchema: z.ZodType<RoleRollout> = z.object({
  id: z.string(),
  role: z.string().nullable(),
  promptIndex: z.int(),
  question: z.string(),
  questionIndex: z.int(),
  prompt: z.string(),
  answer: z.string(),
  tokens: z.int(),
  finishReason: z.string(),
});

/** Stands for the role in ids of usual answers; no role can be called so. */
const USUAL = '*';

/** Every question under every prompt; rollouts of one prompt follow each other, so that they share its beginning. */
export function planRoles(set: RoleSet): PlannedRole[] {
  return set.roles.flatMap(({ name, prompts }) =>
    prompts.flatMap((system, k) => ask(set.questions, name, k, system)),
  );
}

/** The questions under no system prompt, and under each neutral one. */
export function planUsual({ neutral, questions }: Pick<RoleSet, 'neutral' | 'questions'>): PlannedRole[] {
  return [undefined, ...neutral].flatMap((system, k) => ask(questions, null, k - 1, system));
}

function ask(
  questions: readonly string[],
  role: string | null,
  promptIndex: number,
  system: string | undefined,
): PlannedRole[] {
  const first: ChatMessage[] = system === undefined ? [] : [{ role: 'system', content: system }];
  return questions.map((question, questionIndex) => ({
    id: `${role ?? USUAL}_${promptIndex}_${questionIndex}`,
    role,
    promptIndex,
    question,
    questionIndex,
    messages: [...first, { role: 'user', content: question }],
  }));
}
