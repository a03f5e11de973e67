/** One answer, steered and watched, as verbs tell it. */

import type { RunOptions } from '../../engine/engine.ts';
import type { EngineRequest, EngineResult, FinishReason } from '../../engine/request.ts';
import type { ChatModel } from '../../model/chat-model.ts';
import { readings, type Reading, type Watch, watchReads } from '../../monitor/watch.ts';
import type { AppliedSteering, Steering } from '../../steer/resolve.ts';

/** Fields as in the output of `persona generate --prompts`. */
export interface Answer {
  text: string;
  /** how many */
  tokens: number;
  finish_reason: FinishReason;
  steering: AppliedSteering[];
  persona?: Record<string, Reading>;
}

export async function answer(
  { engine }: ChatModel,
  request: EngineRequest,
  steering: Steering,
  watches: readonly Watch[],
  options: RunOptions = {},
): Promise<Answer> {
  const result = await engine.run(
    { ...request, edits: steering.edits, projections: watchReads(watches) },
    options,
  );
  return toAnswer(result, steering, watches);
}

function toAnswer(result: EngineResult, steering: Steering, watches: readonly Watch[]): Answer {
  return {
    text: result.text,
    tokens: result.tokens.length,
    finish_reason: result.finishReason,
    steering: steering.applied,
    ...(watches.length > 0 && { persona: readings(watches, result.projections ?? []) }),
  };
}

/** evil +1.5 @14, kind ablate @8 */
export function steeringText({ steering }: Pick<Answer, 'steering'>): string {
  const shown = steering.slice(0, 4).map(({ vector, trait, op, layer, coefficient }) => {
    const how =
      coefficient === undefined ? op : `${coefficient < 0 ? '' : '+'}${Number(coefficient.toPrecision(3))}`;
    return `${trait ?? vector} ${how} @${layer}`;
  });
  const more = steering.length - shown.length;
  return shown.join(', ') + (more > 0 ? ` and ${more} more` : '');
}
