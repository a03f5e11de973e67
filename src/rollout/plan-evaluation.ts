/** Which evaluation questions are asked, under which instruction, how often (paper §2.2, §2.3). */

import type { ChatMessage } from '../model/template.ts';
import { systemPrompt } from '../trait/instruction.ts';
import type { Trait } from '../trait/trait.ts';
import type { Side } from './rollout.ts';

export interface EvaluationOptions {
  /** the first n of the evaluation questions */
  questions: number;
  /** answers to each question under each instruction */
  samples: number;
  /** under the instructions of this side; absent: under none, not even an empty system message */
  side?: Side | undefined;
  /** adjective of the assistant in the instructions. @default the trait's own for the side */
  assistant?: string | undefined;
}

export interface PlannedAnswer {
  /** the reference's `trait_i` or `trait_i_side_k` */
  questionId: string;
  question: string;
  questionIndex: number;
  /** absent where there was none */
  instructionIndex?: number;
  sample: number;
  messages: ChatMessage[];
}

/** Samples of a question follow each other, instructions within a question. */
export function planEvaluation(trait: Trait, options: EvaluationOptions): PlannedAnswer[] {
  const { questions, samples, side, assistant } = options;
  const named =
    side && assistant !== undefined
      ? { ...trait, assistant: { ...trait.assistant, [side]: assistant } }
      : trait;
  const instructions = side ? trait.instruction.map((_, k) => ({ side, k })) : [undefined];
  return trait.evaluation.slice(0, questions).flatMap((question, questionIndex) =>
    instructions.flatMap((instruction) => {
      const id = `${trait.name}_${questionIndex}`;
      const asked = { role: 'user', content: question } as const;
      const planned = instruction
        ? {
            questionId: `${id}_${instruction.side}_${instruction.k}`,
            instructionIndex: instruction.k,
            messages: [
              { role: 'system', content: systemPrompt(named, instruction.side, instruction.k) } as const,
              asked,
            ],
          }
        : { questionId: id, messages: [asked] };
      return Array.from({ length: samples }, (_, sample) => ({
        ...planned,
        question,
        questionIndex,
        sample,
      }));
    }),
  );
}
