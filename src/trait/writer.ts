/** Who writes the texts of a trait: a language model, near or far. */

import type { ChatModel } from '../model/chat-model.ts';
import type { ChatMessage } from '../model/template.ts';

export interface TraitWriter {
  /** as it was asked for, e.g. `gguf:smollm2-135m-instruct` */
  name: string;
  write(messages: readonly ChatMessage[], options: WriteOptions, signal?: AbortSignal): Promise<string>;
}

export interface WriteOptions {
  maxTokens: number;
  /** JSON schema of the answer, for writers that can be held to one */
  schema?: object;
}

/** Varied, but not so much that a small model loses the thread. */
export const WRITER_TEMPERATURE = 0.7;

/** A local model. Each text has a seed of its own, so that asking again gives another answer, and a run can be repeated. */
export function ggufWriter(model: ChatModel, seed = 0): TraitWriter {
  let next = seed;
  return {
    name: `gguf:${model.identity.name}`,
    async write(messages, { maxTokens }, signal) {
      const sampling = { temperature: WRITER_TEMPERATURE, seed: next++ };
      const { text } = await model.engine.run(
        { prompt: model.render(messages), maxTokens, sampling },
        { signal },
      );
      return text;
    },
  };
}
