/** An answer as it is remembered. */

import type { AnswerEvent } from '../contracts.ts';
import type { Served } from '../served.ts';
import { traitSummaries } from './persona.ts';
import type { Asked, Planned } from './plan.ts';
import { actingAtFirst, type Written } from './write-choice.ts';

/** How it went: the fields that only its end knows. */
export type End = Pick<
  AnswerEvent,
  'firstTokenMs' | 'totalMs' | 'finishReason' | 'error' | 'completionTokens'
>;

/** @param written absent where the answer failed, or nobody waited for it any more */
export function eventOf(
  { model, keepTexts }: Served,
  asked: Asked,
  { index, plan, prompt }: Planned,
  { id, time }: { id: string; time: Date },
  end: End,
  written: Written | undefined,
): AnswerEvent {
  return {
    id: `${id}/${index}`,
    time: time.toISOString(),
    keyId: asked.caller.keyId,
    policy: asked.caller.policy,
    model: model.identity.name,
    endpoint: asked.endpoint,
    stream: asked.stream,
    conversation: asked.conversation,
    promptTokens: plan.request.prompt.length,
    cachedTokens: written?.cachedTokens ?? 0,
    ...end,
    traits: written ? traitSummaries(plan, written) : {},
    steering: (written ?? actingAtFirst(plan)).applied,
    fired: plan.policy.fired(),
    ...(keepTexts && { text: { prompt: prompt.text, answer: written?.text ?? '' } }),
  };
}
