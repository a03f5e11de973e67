/** A trait from the reference's layout: two files that share instructions and rubric, each with its own questions (paper §1.1). */

import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { PersonaError } from '../errors.ts';
import { readJson } from '../files/read-json.ts';
import type { Trait } from './trait.ts';

const halfSchema = z.object({
  instruction: z.array(z.object({ pos: z.string(), neg: z.string() })),
  questions: z.array(z.string()),
  eval_prompt: z.string(),
});

export interface ImportOptions {
  name: string;
  /** @default the name */
  description?: string | undefined;
  /** the adjectives, which the reference takes from its command line. @default the name, and `helpful` */
  assistant?: { pos?: string | undefined; neg?: string | undefined } | undefined;
}

/**
 * @param extractPath the file whose questions the vector is found with
 * @param evalPath the file whose questions it is judged with
 * @throws PersonaError BAD_TRAIT where the two do not belong together; what the texts are like is for `checkTrait`
 */
export async function importTrait(
  extractPath: string,
  evalPath: string,
  { name, description, assistant }: ImportOptions,
): Promise<Trait> {
  const [extract, evaluation] = await Promise.all(
    [extractPath, evalPath].map((path) => readJson(path, halfSchema, { code: 'BAD_TRAIT' })),
  );
  const { instruction, questions, eval_prompt } = extract!;
  for (const field of ['instruction', 'eval_prompt'] as const) {
    if (isDeepStrictEqual(extract![field], evaluation![field])) continue;
    throw new PersonaError('BAD_TRAIT', `${field} differs between ${extractPath} and ${evalPath}`, {
      remedy: 'Give the two files of one trait, as trait_data_extract/ and trait_data_eval/ hold them.',
    });
  }
  return {
    name,
    description: description ?? name,
    assistant: { pos: assistant?.pos ?? name, neg: assistant?.neg ?? 'helpful' },
    instruction,
    questions,
    evaluation: evaluation!.questions,
    eval_prompt,
  };
}
