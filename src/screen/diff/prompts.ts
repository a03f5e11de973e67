/** The prompts of a diff: a trait's evaluation questions with no system prompt, or lines of the user's own. */

import { z } from 'zod';
import { PersonaError } from '../../errors.ts';
import { asGiven } from '../../files/as-given.ts';
import { readJsonl } from '../../files/jsonl.ts';
import type { ChatModel } from '../../model/chat-model.ts';
import type { ChatMessage } from '../../model/template.ts';
import type { Trait } from '../../trait/trait.ts';

export interface DiffPrompt {
  id: string;
  /** what a judge is told was asked */
  question: string;
  /** rendered text, or messages that the base renders for both models */
  ask: string | readonly ChatMessage[];
}

interface PromptLine {
  messages?: ChatMessage[] | undefined;
  prompt?: string | undefined;
}

const message = z.object({ role: z.enum(['system', 'user', 'assistant']), content: z.string() });
const schema: z.ZodType<PromptLine> = asGiven(
  z
    .object({ messages: z.array(message).min(1).optional(), prompt: z.string().min(1).optional() })
    .refine(({ messages, prompt }) => (messages === undefined) !== (prompt === undefined), {
      error: 'expected either "messages" or "prompt"',
    }),
);

/** @param questions of each trait, the first so many */
export function traitPrompts(traits: readonly Trait[], questions: number = Infinity): DiffPrompt[] {
  const asked = new Set<string>(); // traits may share a question; a pair counts once
  return traits.flatMap((trait) =>
    trait.evaluation.slice(0, questions).flatMap((question, i) => {
      if (asked.has(question)) return [];
      asked.add(question);
      return [{ id: `${trait.name}_${i}`, question, ask: [{ role: 'user', content: question }] }];
    }),
  );
}

/**
 * Lines with "messages" or "prompt" (rendered text). Messages that end in an answer are read up to it: what the model
 * is about to say there, not what somebody said.
 * @throws PersonaError BAD_FILE with the line
 */
export async function readDiffPrompts(path: string): Promise<DiffPrompt[]> {
  const prompts: DiffPrompt[] = [];
  for await (const { line, value } of readJsonl(path, schema)) {
    const { messages, prompt } = value;
    if (messages === undefined) {
      prompts.push({ id: `line_${line}`, question: prompt!, ask: prompt! });
      continue;
    }
    const asked = messages.at(-1)!.role === 'assistant' ? messages.slice(0, -1) : messages;
    const question = asked.findLast(({ role }) => role === 'user')?.content;
    if (question === undefined)
      throw new PersonaError('BAD_FILE', `${path}:${line}: "messages" has none of the user's`);
    prompts.push({ id: `line_${line}`, question, ask: asked });
  }
  if (prompts.length === 0) throw new PersonaError('BAD_FILE', `${path}: there are no prompts`);
  return prompts;
}

export function renderPrompt({ ask }: DiffPrompt, model: ChatModel): string {
  return typeof ask === 'string' ? ask : model.render(ask);
}
