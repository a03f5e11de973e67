/** Which conversation an answer belongs to: as the client says, else by how the conversation began. */

import { createHash } from 'node:crypto';
import type { ChatMessage } from '../../model/template.ts';
import type { Conversation } from '../../steer/policy/policy.ts';

/** An id of a header may be this long; it is kept with every answer. */
const MAX_ID = 256;

export function conversationOf(
  given: string | undefined,
  headers: Headers,
  keyId: string,
  messages: readonly Pick<ChatMessage, 'role' | 'content'>[],
): Conversation {
  const named = given ?? headers.get('x-conversation-id')?.slice(0, MAX_ID);
  const turn = messages.filter(({ role }) => role === 'assistant').length;
  if (named) return { id: named, turn };
  const first = messages.findIndex(({ role }) => role === 'user');
  const hash = createHash('sha256').update(keyId);
  for (const { role, content } of messages.slice(0, first + 1)) hash.update(`\0${role}\0${content}`);
  return { id: hash.digest('hex').slice(0, 32), turn };
}
