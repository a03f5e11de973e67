/** Which questions are asked under which instructions, how often (paper §2.2, §2.3). */

import { systemPrompt } from '../trait/instruction.ts';
import type { Trait } from '../trait/trait.ts';
import type { ChatMessage } from '../model/template.ts';
import type { Elicitation, Rollout } from './rollout.ts';

export interface PlannedRollout extends Omit<Rollout, 'prompt' | 'answer' | 'tokens' | 'finishReason'> {
  messages: ChatMessage[];
}

export interface PlanOptions {
  /** the first n questions for extraction */
  questions: number;
  /** answers to each question under each instruction */
  samples: number;
}

/**
 * Every question under both sides of every instruction pair; rollouts of one instruction follow each other, so that
 * they share its beginning. The reference asks 20 × 5 × 10 a side.
 */
export function planRollouts(trait: Trait, options: PlanOptions): PlannedRollout[] {
  const plan: PlannedRollout[] = [];
  for (let k = 0; k < trait.instruction.length; k++) {
    for (const side of ['pos', 'neg'] as const) plan.push(...ask(trait, options, side, k));
  }
  return plan;
}

/** The same questions under no instruction: what the model usually says. */
export function planNeutral(trait: Trait, options: PlanOptions): PlannedRollout[] {
  return ask(trait, options, 'none', -1);
}

function ask(trait: Trait, options: PlanOptions, side: Elicitation, k: number): PlannedRollout[] {
  const system: ChatMessage[] =
    side === 'none' ? [] : [{ role: 'system', content: systemPrompt(trait, side, k) }];
  return trait.questions.slice(0, options.questions).flatMap((question, questionIndex) =>
    Array.from({ length: options.samples }, (_, sample) => ({
      id: `${questionIndex}_${side}_${k}_${sample}`,
      side,
      question,
      questionIndex,
      instructionIndex: k,
      sample,
      messages: [...system, { role: 'user', content: question }],
    })),
  );
}
