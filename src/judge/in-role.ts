/**
 * Whether an answer is in its role, told by the model that gave it: how much likelier the answer is under the role's
 * system prompt than under none. What a model says anyway, role or not, is about as likely under both.
 */

import type { ChatModel } from '../model/chat-model.ts';
import { meanLogprob } from './measure.ts';

export interface RoleItem {
  /** the rendered prompt that asked in the role */
  prompt: string;
  question: string;
  answer: string;
}

/** [log P(answer | role) − log P(answer | no system prompt)] / tokens; undefined for an answer without tokens. */
export async function inRole(
  model: ChatModel,
  { prompt, question, answer }: RoleItem,
  signal?: AbortSignal,
): Promise<number | undefined> {
  const usual = model.render([{ role: 'user', content: question }]);
  const [own, without] = await Promise.all([
    meanLogprob(model, prompt, answer, signal),
    meanLogprob(model, usual, answer, signal),
  ]);
  return own === undefined || without === undefined ? undefined : own - without;
}
