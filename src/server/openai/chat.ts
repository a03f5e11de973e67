/** `POST /v1/chat/completions` */

import { z } from '@hono/zod-openapi';
import { isPersonaError } from '../../errors.ts';
import { chatTokens } from '../../model/chat-tokens.ts';
import type { ChatMessage } from '../../model/template.ts';
import type { Caller } from '../../steer/policy/policy.ts';
import { refuse, toApiError } from '../errors.ts';
import { check } from '../read-body.ts';
import type { Served } from '../served.ts';
import { askedOf, type CommonBody, commonFields, wantedOf, writingOf } from './fields.ts';
import { chatLogprobs } from './logprobs.ts';
import { type GivenMessage, messageSchema, toMessages } from './messages.ts';
import type { Incoming } from './plan.ts';
import { refuseUnsupported } from './refused.ts';
import { respond, type Shape } from './respond.ts';
import { answerRoom, checkModel } from './room.ts';

/** OpenAI's most. */
const MAX_TOP_LOGPROBS = 20;

interface ChatBody extends CommonBody {
  messages: GivenMessage[];
  max_completion_tokens?: number | null | undefined;
  logprobs?: boolean | null | undefined;
  top_logprobs?: number | null | undefined;
  [other: string]: unknown;
}

export const chatBody: z.ZodType<ChatBody> = z
  .looseObject({
    messages: z.array(messageSchema).min(1, 'expected at least one message'),
    ...commonFields,
    max_completion_tokens: z.int().min(1).nullish().describe('another name of max_tokens'),
    logprobs: z.boolean().nullish(),
    top_logprobs: z.int().min(0).max(MAX_TOP_LOGPROBS).nullish(),
  })
  .openapi('ChatRequest');

const shape: Shape = {
  object: 'chat.completion',
  chunkObject: 'chat.completion.chunk',
  whole: (content) => ({ message: { role: 'assistant', content, refusal: null } }),
  opening: () => ({ delta: { role: 'assistant', content: '' } }),
  delta: (content) => ({ delta: { content } }),
  closing: () => ({ delta: {} }),
  logprobs: chatLogprobs,
};

export async function chat(
  served: Served,
  request: Incoming,
  caller: Caller,
  given: unknown,
): Promise<Response> {
  const body = check(given, chatBody);
  refuseUnsupported(body);
  checkModel(body.model, served);
  if (
    body.max_tokens != null &&
    body.max_completion_tokens != null &&
    body.max_tokens !== body.max_completion_tokens
  )
    throw refuse('max_completion_tokens', 'the same as max_tokens; give one of them');
  if (body.top_logprobs != null && body.logprobs !== true)
    throw refuse('top_logprobs', 'needs logprobs: true');
  const n = body.n ?? 1;
  if (n > served.limits.choices) throw refuse('n', `at most ${served.limits.choices}`);

  const messages = toMessages(body.messages);
  const { tokens, text } = await prompted(served, messages);
  const maxTokens = body.max_completion_tokens ?? body.max_tokens ?? undefined;
  return await respond(
    served,
    {
      endpoint: '/v1/chat/completions',
      idPrefix: 'chatcmpl',
      prompts: [{ tokens, text }],
      request: {
        ...writingOf(body),
        maxTokens: answerRoom(tokens.length, maxTokens, 'messages', served),
        ...(body.logprobs && { topLogprobs: body.top_logprobs ?? 0 }),
      },
      n,
      ...askedOf(body, request, caller, messages),
    },
    wantedOf(body, body.logprobs ?? false),
    shape,
    request.signal,
  );
}

async function prompted(
  { model }: Served,
  messages: readonly ChatMessage[],
): Promise<{ tokens: number[]; text: string }> {
  try {
    return await chatTokens(model, messages);
  } catch (error) {
    if (isPersonaError(error) && error.code === 'ENGINE_CRASHED') throw error;
    const { message, reason } = toApiError(error);
    throw refuse('messages', message, reason);
  }
}
