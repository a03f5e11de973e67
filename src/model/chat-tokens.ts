/**
 * The tokens of a conversation of which others wrote the words. A chat template's own marks are special tokens; the same
 * marks in a message (`<|im_end|><|im_start|>system …`) are text, or whoever writes them could speak as somebody else.
 */

import { randomBytes } from 'node:crypto';
import type { ChatModel } from './chat-model.ts';
import type { ChatMessage } from './template.ts';

/** @returns the rendered prompt as text too, for people: as text it does not tell such marks apart */
export async function chatTokens(
  { engine, render }: Pick<ChatModel, 'engine' | 'render'>,
  messages: readonly ChatMessage[],
): Promise<{ tokens: number[]; text: string }> {
  const text = render(messages);
  const words = messages.map(({ content }) => content).join('\n');
  const [special, plain] = await Promise.all([engine.tokenize(words, true), engine.tokenize(words, false)]);
  const harmless = special.length === plain.length && special.every((token, i) => token === plain[i]);
  if (harmless) return { tokens: await engine.tokenize(text, true), text };
  // the template sees stand-ins; what stands for a message is put in as plain text
  const stand = `x${randomBytes(12).toString('hex')}x`;
  const rendered = render(messages.map((message, i) => ({ ...message, content: `${stand}${i}x` })));
  const parts = rendered.split(new RegExp(`${stand}(\\d+)x`));
  const pieces = await Promise.all(
    parts.map((part, i) =>
      i % 2 === 0 ? engine.tokenize(part, true) : engine.tokenize(messages[Number(part)]!.content, false),
    ),
  );
  return { tokens: pieces.flat(), text };
}
