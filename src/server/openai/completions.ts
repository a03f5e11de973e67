/** `POST /v1/completions`: text that goes on from a prompt which is used as it is. */

import { z } from '@hono/zod-openapi';
import type { Caller } from '../../steer/policy/policy.ts';
import { refuse } from '../errors.ts';
import { check } from '../read-body.ts';
import type { Served } from '../served.ts';
import { askedOf, type CommonBody, commonFields, wantedOf, writingOf } from './fields.ts';
import { plainLogprobs } from './logprobs.ts';
import type { Incoming } from './plan.ts';
import { refuseUnsupported } from './refused.ts';
import { respond, type Shape } from './respond.ts';
import { answerRoom, checkModel } from './room.ts';

/** OpenAI's, where a request says nothing. */
const DEFAULT_TOKENS = 16;
/** OpenAI's most is 5; others give more. */
const MAX_LOGPROBS = 20;

const tokenIds = z.array(z.int().min(0)).min(1);

interface CompletionBody extends CommonBody {
  prompt: string | string[] | number[] | number[][];
  logprobs?: number | null | undefined;
  best_of?: number | null | undefined;
  add_special_tokens?: boolean | null | undefined;
  [other: string]: unknown;
}

export const completionBody: z.ZodType<CompletionBody> = z
  .looseObject({
    prompt: z
      .union(
        [
          z.string().min(1, 'empty; at least one token is needed'),
          z.array(z.string().min(1)).min(1),
          tokenIds,
          z.array(tokenIds).min(1),
        ],
        {
          error: 'expected text, token ids, or a list of either',
        },
      )
      .describe(
        'special tokens written out are read as such; a beginning token is put in front where the model wants one',
      ),
    ...commonFields,
    logprobs: z.int().min(0).max(MAX_LOGPROBS).nullish(),
    best_of: z.int().min(1).nullish(),
    add_special_tokens: z.boolean().nullish().describe('put the beginning token in front. Default: true'),
  })
  .openapi('CompletionRequest');

const shape: Shape = {
  object: 'text_completion',
  chunkObject: 'text_completion',
  whole: (text) => ({ text }),
  opening: () => ({ text: '' }),
  delta: (text) => ({ text }),
  closing: () => ({ text: '' }),
  logprobs: plainLogprobs,
};

export async function completions(
  served: Served,
  request: Incoming,
  caller: Caller,
  given: unknown,
): Promise<Response> {
  const body = check(given, completionBody);
  refuseUnsupported(body);
  checkModel(body.model, served);
  const n = body.n ?? 1;
  if (body.best_of != null && body.best_of > n)
    throw refuse(
      'best_of',
      `${body.best_of} answers are not written to choose ${n} of them`,
      'unsupported_parameter',
    );

  const prompts = await promptsOf(body, served);
  if (n * prompts.length > served.limits.choices)
    throw refuse(
      prompts.length > 1 ? 'prompt' : 'n',
      `${n * prompts.length} answers; at most ${served.limits.choices}`,
    );
  const wanted = body.max_tokens ?? DEFAULT_TOKENS;
  for (const { tokens } of prompts) answerRoom(tokens.length, wanted, 'prompt', served);
  const messages = [{ role: 'user' as const, content: prompts[0]!.text }];
  return await respond(
    served,
    {
      endpoint: '/v1/completions',
      idPrefix: 'cmpl',
      prompts,
      request: {
        ...writingOf(body),
        maxTokens: wanted,
        ...(body.logprobs != null && { topLogprobs: body.logprobs }),
      },
      n,
      ...askedOf(body, request, caller, messages),
    },
    wantedOf(body, body.logprobs != null),
    shape,
    request.signal,
  );
}

async function promptsOf(
  { prompt, add_special_tokens: special }: CompletionBody,
  { model: { engine } }: Served,
): Promise<{ tokens: readonly number[]; text: string }[]> {
  const { addBos, bos, vocabulary } = engine.info;
  const list: (string | number[])[] = isNumbers(prompt)
    ? [prompt]
    : typeof prompt === 'string'
      ? [prompt]
      : prompt;
  return await Promise.all(
    list.map(async (each, i) => {
      if (typeof each !== 'string') {
        const at = each.findIndex((token) => token >= vocabulary);
        if (at >= 0)
          throw refuse(
            isNumbers(prompt) ? `prompt[${at}]` : `prompt[${i}][${at}]`,
            `there is no token ${each[at]}`,
          );
        return { tokens: each, text: (await engine.detokenize(each)).text };
      }
      const begins = special !== false && addBos && bos !== undefined && !each.startsWith(bos);
      return { tokens: await engine.tokenize(begins ? bos + each : each, true), text: each };
    }),
  );
}

function isNumbers(prompt: CompletionBody['prompt']): prompt is number[] {
  return Array.isArray(prompt) && typeof prompt[0] === 'number';
}
