/** Chat messages as they come, and as the model's template takes them: text only. */

import { z } from '@hono/zod-openapi';
import type { ChatMessage } from '../../model/template.ts';
import { refuse } from '../errors.ts';

const textPart = z.looseObject({
  type: z.literal('text', { error: 'only parts of type text are read' }),
  text: z.string(),
});

export interface GivenMessage {
  role: 'system' | 'developer' | 'user' | 'assistant';
  content: string | { type: 'text'; text: string }[];
  [other: string]: unknown;
}

export const messageSchema: z.ZodType<GivenMessage> = z
  .looseObject({
    role: z.enum(['system', 'developer', 'user', 'assistant'], {
      error: 'expected system, developer, user or assistant',
    }),
    content: z.union([z.string(), z.array(textPart).min(1)], {
      error: 'expected text, or a list of text parts',
    }),
  })
  .openapi('Message');

/** @throws ApiError for what a text model cannot be told */
export function toMessages(messages: readonly GivenMessage[]): ChatMessage[] {
  return messages.map((message, i) => {
    for (const field of ['tool_calls', 'function_call', 'audio', 'images']) {
      const value = message[field];
      if (value != null && !(Array.isArray(value) && value.length === 0))
        throw refuse(`messages[${i}].${field}`, 'only text is read', 'unsupported_parameter');
    }
    const { role, content } = message;
    return {
      role: role === 'developer' ? 'system' : role,
      content: typeof content === 'string' ? content : content.map(({ text }) => text).join(''),
    };
  });
}
