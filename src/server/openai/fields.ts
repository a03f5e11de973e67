/** The fields that chat and plain completions share, as schema; and the part of an engine's request that they decide. */

import { randomInt } from 'node:crypto';
import { z } from '@hono/zod-openapi';
import type { EngineRequest } from '../../engine/request.ts';
import type { ChatMessage } from '../../model/template.ts';
import type { Caller } from '../../steer/policy/policy.ts';
import { refuse } from '../errors.ts';
import { conversationOf } from './conversation.ts';
import type { Asked, Incoming } from './plan.ts';
import type { Wanted } from './respond.ts';
import { formatGrammar, type ResponseFormat, responseFormat } from './response-format.ts';
import { type Fields, type PersonaBody, personaFields } from './steering-schema.ts';

const SEEDS = 2 ** 32; // llama.cpp's sampler takes so many
/** Texts that end an answer; each is looked for at every token. OpenAI allows 4, other servers more. */
const MAX_STOPS = 32;

type May<T> = T | null | undefined;

/** The fields of both kinds of body. */
export interface CommonBody extends PersonaBody {
  model?: May<string>;
  max_tokens?: May<number>;
  temperature?: May<number>;
  top_p?: May<number>;
  top_k?: May<number>;
  min_p?: May<number>;
  frequency_penalty?: May<number>;
  presence_penalty?: May<number>;
  repeat_penalty?: May<number>;
  repetition_penalty?: May<number>;
  seed?: May<number>;
  stop?: May<string | string[]>;
  ignore_eos?: May<boolean>;
  n?: May<number>;
  stream?: May<boolean>;
  stream_options?: May<{ include_usage?: May<boolean>; continuous_usage_stats?: May<boolean> }>;
  user?: May<string>;
  response_format?: May<ResponseFormat>;
}

export const commonFields: Fields<CommonBody> = {
  model: z.string().nullish(),
  max_tokens: z.int().min(1).nullish(),
  temperature: z.number().min(0).max(10).nullish().describe('0: always the likeliest token'),
  top_p: z.number().min(0).max(1).nullish(),
  top_k: z.int().min(-1).max(1_000_000).nullish().describe('0 or -1: any'),
  min_p: z.number().min(0).max(1).nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  repeat_penalty: z.number().min(0.1).max(10).nullish(),
  repetition_penalty: z.number().min(0.1).max(10).nullish().describe('another name of repeat_penalty'),
  seed: z.int().nullish().describe('the same seed gives the same text; choice i has seed + i'),
  stop: z.union([z.string(), z.array(z.string().min(1)).max(MAX_STOPS)]).nullish(),
  ignore_eos: z.boolean().nullish(),
  n: z.int().min(1).nullish(),
  stream: z.boolean().nullish(),
  stream_options: z
    .looseObject({
      include_usage: z.boolean().nullish(),
      continuous_usage_stats: z.boolean().nullish().describe('each chunk tells the usage so far'),
    })
    .nullish(),
  user: z.string().nullish(),
  response_format: responseFormat.nullish(),
  ...personaFields,
};

export function writingOf(
  body: CommonBody,
): Pick<EngineRequest, 'sampling' | 'stop' | 'ignoreEnd' | 'grammar'> {
  const grammar = formatGrammar(body.response_format);
  if (grammar !== undefined && body.ignore_eos)
    throw refuse('ignore_eos', 'a text of a given format ends with it');
  if (body.repeat_penalty != null && body.repetition_penalty != null)
    throw refuse('repetition_penalty', 'the same as repeat_penalty; give one of them');
  return {
    sampling: {
      temperature: body.temperature ?? 1,
      topP: body.top_p ?? 1,
      topK: Math.max(0, body.top_k ?? 0),
      minP: body.min_p ?? 0,
      frequencyPenalty: body.frequency_penalty ?? 0,
      presencePenalty: body.presence_penalty ?? 0,
      repeatPenalty: body.repeat_penalty ?? body.repetition_penalty ?? 1,
    },
    stop: [body.stop ?? []].flat().filter((text) => text !== ''),
    ignoreEnd: body.ignore_eos ?? false,
    ...(grammar !== undefined && { grammar }),
  };
}

/** What is asked for beside the prompt and how to write on from it. */
export function askedOf(
  body: CommonBody,
  incoming: Incoming,
  caller: Caller,
  messages: readonly ChatMessage[],
): Pick<
  Asked,
  'seed' | 'steering' | 'monitor' | 'compare' | 'stream' | 'conversation' | 'caller' | 'settle'
> {
  return {
    seed: body.seed ?? randomInt(SEEDS),
    steering: body.steering,
    monitor: body.monitor,
    compare: body.compare ?? false,
    stream: body.stream ?? false,
    conversation: conversationOf(body.persona?.conversation, incoming.headers, caller.keyId, messages),
    caller,
    settle: incoming.settle,
  };
}

export function wantedOf(body: CommonBody, logprobs: boolean): Wanted {
  return {
    logprobs,
    monitorTokens: body.monitor_tokens ?? false,
    includeUsage: body.stream_options?.include_usage ?? false,
    usageSoFar: body.stream_options?.continuous_usage_stats ?? false,
  };
}
