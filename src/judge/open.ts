/** From what a user calls a judge to the judge: `openai:MODEL`, `gguf:MODEL`, `fn:FILE.ts`. */

import { PersonaError } from '../errors.ts';
import type { OpenChatModelOptions } from '../model/chat-model.ts';
import type { OpenAiClientOptions } from '../model/openai-client.ts';
import { type JudgeCacheOptions, noJudgeCache, openJudgeCache } from './cache.ts';
import { openFunctionJudge } from './fn.ts';
import { openGgufJudge } from './gguf.ts';
import type { OpenedJudge } from './judge.ts';
import { openOpenAiJudge } from './openai.ts';

export interface OpenJudgeOptions {
  signal?: AbortSignal | undefined;
  onNote?: ((note: string) => void) | undefined;
  /** where answers are remembered; false: nowhere */
  cache?: Omit<JudgeCacheOptions, 'onNote'> | false | undefined;
  /** of `openai:` */
  client?: Omit<OpenAiClientOptions, 'model' | 'signal' | 'onNote'> | undefined;
  /** of `gguf:` */
  engine?: Omit<OpenChatModelOptions, 'model' | 'signal' | 'onNote'> | undefined;
}

/** The kinds that openJudge opens, as users write them. */
export const JUDGE_FORMS = 'openai:MODEL, gguf:MODEL or fn:FILE.ts';

/** @throws PersonaError USAGE when the text names no kind of judge; of opening it */
export async function openJudge(spec: string, options: OpenJudgeOptions = {}): Promise<OpenedJudge> {
  const { signal, onNote } = options;
  const [, kind, rest] = /^(openai|gguf|fn):(.+)$/s.exec(spec) ?? [];
  if (kind === undefined || rest === undefined) {
    throw new PersonaError('USAGE', `${JSON.stringify(spec)} names no judge`, {
      remedy: `Judges are likelihood (the model that answers, where there is one), ${JUDGE_FORMS}.`,
    });
  }
  if (kind === 'fn') return openFunctionJudge(rest);
  const cache = options.cache === false ? noJudgeCache() : openJudgeCache({ ...options.cache, onNote });
  try {
    return kind === 'openai'
      ? openOpenAiJudge({ ...options.client, model: rest, signal, onNote }, cache)
      : await openGgufJudge(rest, cache, { ...options.engine, signal, onNote });
  } catch (error) {
    cache.close();
    throw error;
  }
}
