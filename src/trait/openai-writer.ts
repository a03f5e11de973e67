/** A trait writer behind an OpenAI-compatible address. */

import type { ChatMessage } from '../model/template.ts';
import { type TraitWriter, WRITER_TEMPERATURE } from './writer.ts';

/** The part of the client that is used. */
export interface Completer {
  complete(
    request: { messages: readonly ChatMessage[]; maxTokens: number; temperature: number; seed: number },
    signal?: AbortSignal,
  ): Promise<{ text: string }>;
}

/** Each text has a seed of its own, so that no cache answers a second asking with the first answer. */
export function openAiWriter(name: string, client: Completer, seed = 0): TraitWriter {
  let next = seed;
  return {
    name,
    async write(messages, { maxTokens }, signal) {
      const request = { messages, maxTokens, temperature: WRITER_TEMPERATURE, seed: next++ };
      return (await client.complete(request, signal)).text;
    },
  };
}
