/**
 * A client of any OpenAI-compatible server. The address comes from OPENAI_BASE_URL, the key from OPENAI_API_KEY; the
 * key is sent to that server and stands nowhere else.
 */

import { z } from 'zod';
import { PersonaError } from '../errors.ts';
import { adapt, type Dialect, USUAL_DIALECT } from './openai-dialect.ts';
import { postJson, type PostOptions, refusalOf } from './post-json.ts';
import { requestGate } from './request-gate.ts';
import type { ChatMessage } from './template.ts';

const PUBLIC_ADDRESS = 'https://api.openai.com/v1';

export interface OpenAiClientOptions {
  model: string;
  /** @default $OPENAI_BASE_URL, else the public API */
  baseUrl?: string | undefined;
  /** @default $OPENAI_API_KEY */
  apiKey?: string | undefined;
  /** requests under way at a time. @default 16 */
  concurrency?: number | undefined;
  /** @default no limit */
  requestsPerMinute?: number | undefined;
  /** for one try. @default 120_000 */
  timeoutMs?: number | undefined;
  /** tries after the first one. @default 6 */
  retries?: number | undefined;
  /** bound of the first random wait between tries; doubles each time. @default 500 */
  retryMs?: number | undefined;
  signal?: AbortSignal | undefined;
  /** the same words are said once */
  onNote?: ((note: string) => void) | undefined;
  /** @default process.env */
  env?: Record<string, string | undefined> | undefined;
  /** @default global fetch */
  fetch?: typeof fetch | undefined;
}

export interface CompletionRequest {
  messages: readonly ChatMessage[];
  maxTokens: number;
  temperature: number;
  seed: number;
  /** alternatives of the first token, up to 20 */
  topLogprobs?: number;
}

export interface Completion {
  text: string;
  /** token → natural log of its probability, of the first token that was written; undefined where the server gave none */
  firstToken: ReadonlyMap<string, number> | undefined;
  finishReason: string;
  promptTokens: number;
  completionTokens: number;
}

export interface ClientUsage {
  requests: number;
  promptTokens: number;
  completionTokens: number;
  /** dollars, where $OPENAI_PRICE_IN and $OPENAI_PRICE_OUT (dollars per million tokens) say what tokens cost */
  cost?: number;
}

export interface OpenAiClient {
  readonly model: string;
  /** the address, without secrets */
  readonly address: string;
  /** @throws PersonaError SERVER (see refusalOf), ABORTED */
  complete(request: CompletionRequest, signal?: AbortSignal): Promise<Completion>;
  usage(): ClientUsage;
}

/** @throws PersonaError USAGE for an address, key or price that cannot be right */
export function openOpenAiClient(options: OpenAiClientOptions): OpenAiClient {
  const { model, env = process.env } = options;
  const { address, query } = baseAddress(
    options.baseUrl ?? (env['OPENAI_BASE_URL']?.trim() || PUBLIC_ADDRESS),
  );
  const key = apiKey(options.apiKey ?? env['OPENAI_API_KEY'], address);
  const prices = pricesIn(env);
  const url = `${address}/chat/completions${query}`;

  const told = new Set<string>();
  function note(text: string): void {
    if (told.has(text)) return;
    told.add(text);
    options.onNote?.(text);
  }
  const post: PostOptions = {
    headers: key === undefined ? {} : { authorization: `Bearer ${key}` },
    gate: requestGate({
      concurrency: options.concurrency ?? 16,
      requestsPerMinute: options.requestsPerMinute,
    }),
    retries: options.retries ?? 6,
    retryMs: options.retryMs ?? 500,
    timeoutMs: options.timeoutMs ?? 120_000,
    remedyFor: (status) => remedyFor(status, model, key !== undefined),
    redact: (text) => redact(text, key),
    onNote: note,
    fetch: options.fetch,
  };
  let dialect: Dialect = USUAL_DIALECT;
  const used = { requests: 0, promptTokens: 0, completionTokens: 0 };

  async function complete(request: CompletionRequest, signal?: AbortSignal): Promise<Completion> {
    const signals = [options.signal, signal].filter((each) => each !== undefined);
    const stop = signals.length === 0 ? undefined : AbortSignal.any(signals);
    for (;;) {
      const body = bodyOf(model, request, dialect);
      try {
        const completion = await postJson(url, body, readCompletion, { ...post, signal: stop });
        used.requests++;
        used.promptTokens += completion.promptTokens;
        used.completionTokens += completion.completionTokens;
        return completion;
      } catch (error) {
        const refusal = refusalOf(error);
        const [status, said] = [refusal?.status, refusal?.said ?? ''];
        const adapted = status === 400 || status === 422 ? adapt(dialect, body, said) : undefined;
        if (!adapted) throw error;
        dialect = adapted.dialect;
        note(`${address}: ${adapted.note}`);
      }
    }
  }

  return {
    model,
    address,
    complete,
    usage: () => ({
      ...used,
      ...(prices && {
        cost: (used.promptTokens * prices.input + used.completionTokens * prices.output) / 1e6,
      }),
    }),
  };
}

function bodyOf(model: string, request: CompletionRequest, dialect: Dialect): object {
  const { messages, maxTokens, temperature, seed } = request;
  const top = Math.min(request.topLogprobs ?? 0, dialect.topLogprobs);
  return {
    model,
    messages,
    [dialect.maxTokens]: maxTokens,
    ...(dialect.temperature && { temperature }),
    ...(dialect.seed && { seed }),
    ...(top > 0 && { logprobs: true, top_logprobs: top }),
  };
}

// --- what comes back -------------------------------------------------------------------------------------------------

/** Only what is used: servers add fields, and leave out what they do not know. */
const answerSchema = z.object({
  choices: z
    .array(
      z.object({
        message: z.object({ content: z.string().nullish() }),
        finish_reason: z.string().nullish(),
        logprobs: z.unknown().optional(),
      }),
    )
    .min(1),
  usage: z.object({ prompt_tokens: z.number(), completion_tokens: z.number() }).nullish().catch(undefined),
});

const failureSchema = z.object({ error: z.object({ message: z.string() }) });

function readCompletion(value: unknown): Completion {
  const failure = failureSchema.safeParse(value); // some proxies wrap a failure in a 200
  if (failure.success) throw new Error(failure.data.error.message);
  const parsed = answerSchema.safeParse(value);
  if (!parsed.success)
    throw new Error(parsed.error.issues.map((i) => `${i.path.join('.')}: ${i.message}`).join('; '));
  const { choices, usage } = parsed.data;
  const { message, finish_reason, logprobs } = choices[0]!;
  return {
    text: message.content ?? '',
    firstToken: firstTokenOf(logprobs),
    finishReason: finish_reason ?? 'unknown',
    promptTokens: usage?.prompt_tokens ?? 0,
    completionTokens: usage?.completion_tokens ?? 0,
  };
}

const tokenSchema = z.object({ token: z.string(), logprob: z.number() });

/** An answer without tokens has no alternatives, which is not the same as none being told. */
function firstTokenOf(logprobs: unknown): Map<string, number> | undefined {
  const { content } = (logprobs ?? {}) as { content?: unknown };
  if (!Array.isArray(content)) return undefined;
  if (content.length === 0) return new Map();
  const { top_logprobs: top } = (content[0] ?? {}) as { top_logprobs?: unknown };
  const told = Array.isArray(top) && top.length > 0 ? (top as unknown[]) : [content[0] as unknown];
  const tokens = told.map((each) => tokenSchema.safeParse(each)).filter(({ success }) => success);
  if (tokens.length === 0) return undefined; // garbled: as good as none
  return new Map(tokens.map(({ data }) => [data!.token, data!.logprob]));
}

// --- what the environment says ---------------------------------------------------------------------------------------

function baseAddress(text: string): { address: string; query: string } {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') {
    throw new PersonaError(
      'USAGE',
      url?.password
        ? 'OPENAI_BASE_URL: a password in the address is not sent'
        : `OPENAI_BASE_URL: not an http address: ${JSON.stringify(text)}`,
      { remedy: 'Give an address such as http://127.0.0.1:8080/v1; the key belongs into OPENAI_API_KEY.' },
    );
  }
  const path = url.pathname.replace(/\/+$/, '').replace(/\/chat\/completions$/, '');
  return { address: url.origin + path, query: url.search };
}

function apiKey(text: string | undefined, address: string): string | undefined {
  const key = text?.trim();
  if (key === undefined || key === '') {
    if (address !== PUBLIC_ADDRESS) return undefined; // servers of one's own often want none
    throw new PersonaError('USAGE', `${address} needs a key, and OPENAI_API_KEY is not set`, {
      remedy: 'Set OPENAI_API_KEY, or OPENAI_BASE_URL to the address of another OpenAI-compatible server.',
    });
  }
  // fetch would put what it cannot send into its error
  if (!/^[\x21-\x7e]+$/.test(key)) {
    throw new PersonaError(
      'USAGE',
      'OPENAI_API_KEY holds a space, a line break or another character that no key has',
      {
        remedy: 'Set it to the key alone.',
      },
    );
  }
  return key;
}

function pricesIn(env: Record<string, string | undefined>): { input: number; output: number } | undefined {
  const [input, output] = ['OPENAI_PRICE_IN', 'OPENAI_PRICE_OUT'].map((name) => {
    const text = env[name]?.trim();
    if (text === undefined || text === '') return undefined;
    if (!(Number(text) >= 0)) {
      throw new PersonaError(
        'USAGE',
        `${name}: expected dollars per million tokens, got ${JSON.stringify(text)}`,
      );
    }
    return Number(text);
  });
  return input === undefined && output === undefined ? undefined : { input: input ?? 0, output: output ?? 0 };
}

/** Shorter ones are no secrets, and would be found in ordinary words. */
const SHORTEST_SECRET = 6;

function redact(text: string, key: string | undefined): string {
  return key === undefined || key.length < SHORTEST_SECRET ? text : text.replaceAll(key, '[key]');
}

/** @param status 0: no answer at all */
function remedyFor(status: number, model: string, hasKey: boolean): string {
  if (status === 401 || status === 403) {
    return hasKey
      ? 'Check that OPENAI_API_KEY is a key of the server at OPENAI_BASE_URL, and may use this model.'
      : 'Set OPENAI_API_KEY to a key of this server.';
  }
  if (status === 404 || status === 405) {
    return `Check that OPENAI_BASE_URL ends where /chat/completions follows (often in /v1), and that the server has a model ${JSON.stringify(model)}.`;
  }
  if (status === 0)
    return 'Check OPENAI_BASE_URL, that the server runs, and the network; then run the same command again.';
  return 'The server does not take this request: check the model, and the length of what it is asked.';
}
