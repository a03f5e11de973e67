/** Rollouts that somebody else made: lines `{"side":"pos"|"neg","prompt":<rendered text>,"answer":<text>}`. */

import { z } from 'zod';
import { PersonaError } from '../errors.ts';
import { readJsonl } from '../files/jsonl.ts';
import type { Side } from './rollout.ts';

export interface GivenRollout {
  side: Side;
  prompt: string;
  answer: string;
}

const givenSchema: z.ZodType<GivenRollout> = z.object({
  side: z.enum(['pos', 'neg']),
  prompt: z.string().min(1),
  answer: z.string(),
});

/**
 * @throws PersonaError BAD_FILE naming file, line and field; EMPTY_SIDE when one side has no answer
 */
export async function readGivenRollouts(path: string): Promise<GivenRollout[]> {
  const rollouts: GivenRollout[] = [];
  for await (const { value } of readJsonl(path, givenSchema)) rollouts.push(value);
  for (const side of ['pos', 'neg'] as const) {
    if (rollouts.some((rollout) => rollout.side === side && rollout.answer !== '')) continue;
    throw new PersonaError('EMPTY_SIDE', `${path}: no rollout with side "${side}" and an answer`, {
      remedy: 'a vector is the difference of two sides: give answers of both',
    });
  }
  return rollouts;
}
