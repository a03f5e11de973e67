import { expect, test } from 'vitest';
import { isPersonaError, type PersonaError } from '../../src/errors.ts';
import {
  type OpenAiClient,
  type OpenAiClientOptions,
  openOpenAiClient,
} from '../../src/model/openai-client.ts';
import { refusalOf } from '../../src/model/post-json.ts';
import { type Asked, completion, type Reply, startScripted } from '../support/scripted-server.ts';

const KEY = 'sk-secret-0123456789';
const REQUEST = {
  messages: [{ role: 'user' as const, content: 'rate this' }],
  maxTokens: 1,
  temperature: 0,
  seed: 0,
  topLogprobs: 20,
};
const GOOD = completion('80', { 80: 0.6, 90: 0.3 });

function open(url: string, options: Partial<OpenAiClientOptions> = {}): OpenAiClient {
  return openOpenAiClient({ model: 'm', baseUrl: url, apiKey: KEY, retryMs: 1, env: {}, ...options });
}

/** A client of a server that answers by the list, then well. */
async function scripted(
  replies: readonly Reply[] | ((asked: Asked, n: number) => Reply),
  options: Partial<OpenAiClientOptions> = {},
) {
  const notes: string[] = [];
  const server = await startScripted(typeof replies === 'function' ? replies : (_, n) => replies[n] ?? GOOD);
  return {
    server,
    notes,
    client: open(server.url, { onNote: (note) => notes.push(note), ...options }),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

async function failure(work: Promise<unknown>): Promise<PersonaError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!isPersonaError(error)) throw new Error(`expected a PersonaError, got ${String(error)}`);
  return error;
}

test('a request is what the reference sends, and its answer comes back with the first token', async () => {
  await using s = await scripted([], { env: { OPENAI_PRICE_IN: '2', OPENAI_PRICE_OUT: '8' } });
  const answer = await s.client.complete(REQUEST);
  expect(s.server.asked[0]).toMatchObject({
    url: '/v1/chat/completions',
    headers: { authorization: `Bearer ${KEY}` },
  });
  expect(s.server.asked[0]!.body).toEqual({
    model: 'm',
    messages: REQUEST.messages,
    max_tokens: 1,
    temperature: 0,
    seed: 0,
    logprobs: true,
    top_logprobs: 20,
  });
  expect(answer).toMatchObject({
    text: '80',
    finishReason: 'length',
    promptTokens: 100,
    completionTokens: 1,
  });
  expect(answer.firstToken!.get('90')).toBeCloseTo(Math.log(0.3), 12);
  // 100 · 2 + 1 · 8 millionths
  expect(s.client.usage()).toEqual({ requests: 1, promptTokens: 100, completionTokens: 1, cost: 208e-6 });
});

test('while a server asks for quiet, no request goes out at all', async () => {
  const busy = { status: 429, headers: { 'retry-after': '1' }, body: { error: { message: 'slow down' } } };
  await using s = await scripted([busy], { concurrency: 1 });
  await Promise.all([s.client.complete(REQUEST), s.client.complete(REQUEST), s.client.complete(REQUEST)]);
  const [first, ...others] = s.server.asked.map(({ at }) => at);
  expect(s.server.asked).toHaveLength(4);
  for (const at of others) expect(at - first!).toBeGreaterThanOrEqual(990);
});

test('waits that a server asks for are no failures', async () => {
  const wait = { status: 429, headers: { 'retry-after-ms': '5' }, body: '' };
  await using s = await scripted(
    Array.from({ length: 9 }, () => wait),
    { retries: 1 },
  );
  expect((await s.client.complete(REQUEST)).text).toBe('80');
  expect(s.server.asked).toHaveLength(10);
});

test('an HTTP date is obeyed too', async () => {
  const date = new Date(Date.now() + 2000).toUTCString(); // whole seconds: 1 to 2 s from now
  await using s = await scripted([{ status: 503, headers: { 'retry-after': date }, body: 'later' }]);
  await s.client.complete(REQUEST);
  expect(s.server.asked[1]!.at - s.server.asked[0]!.at).toBeGreaterThan(900);
});

test.each<[string, Reply]>([
  ['408', { status: 408, body: '' }],
  ['409', { status: 409, body: '' }],
  ['429', { status: 429, body: '' }],
  ['500', { status: 500, body: 'oops' }],
  ['529', { status: 529, body: { error: 'overloaded' } }],
  ['a connection cut in the body', 'cut'],
  ['silence', 'hang'],
  ['no JSON', { body: '<html>' }],
  ['JSON of another kind', { body: { choices: [] } }],
  ['a failure wrapped in a 200', { body: { error: { message: 'upstream' } } }],
])('after %s the same request is made again', async (_, reply) => {
  await using s = await scripted([reply, reply], { timeoutMs: 200 });
  expect((await s.client.complete(REQUEST)).text).toBe('80');
  expect(s.server.asked).toHaveLength(3);
  expect(s.server.asked[2]!.body).toEqual(s.server.asked[0]!.body);
  expect(s.notes).toHaveLength(1); // the same words once
  expect(s.client.usage().requests).toBe(1);
});

test('what goes on failing is an error that says what came last, after the tries that were allowed', async () => {
  await using s = await scripted(
    () => ({ status: 500, body: { error: { message: `model of ${KEY} is gone` } } }),
    { retries: 2 },
  );
  const error = await failure(s.client.complete(REQUEST));
  expect(error.code).toBe('SERVER');
  expect(error.message).toBe(
    `${s.server.url}/chat/completions: the server answered 500: model of [key] is gone (tried 3 times)`,
  );
  expect(s.server.asked).toHaveLength(3);
  expect(refusalOf(error)).toBeUndefined();
});

test.each([
  [400, false],
  [401, true],
  [403, true],
  [404, true],
])('%i is not tried again', async (status, hopeless) => {
  await using s = await scripted(() => ({ status, body: { error: { message: `no, ${KEY}` } } }));
  const error = await failure(s.client.complete(REQUEST));
  expect(s.server.asked).toHaveLength(1);
  expect(error.message).toContain(
    `${s.server.url}/chat/completions: the server answered ${status}: no, [key]`,
  );
  expect(error.remedy).toBeTruthy();
  expect(refusalOf(error)).toMatchObject({ status, hopeless });
  expect(
    s.notes.join() + error.message + error.remedy + String(error.stack) + JSON.stringify(error.cause),
  ).not.toContain(KEY);
});

test('an empty account and a wait of an hour are told at once', async () => {
  await using s = await scripted([
    { status: 429, body: { error: { message: 'no quota', code: 'insufficient_quota' } } },
    { status: 429, headers: { 'retry-after': '3600' }, body: '' },
  ]);
  expect((await failure(s.client.complete(REQUEST))).remedy).toContain('credit');
  expect((await failure(s.client.complete(REQUEST))).message).toContain('wait 3600 s');
  expect(s.server.asked).toHaveLength(2);
});

test('a server that is not there is tried again, then named', async () => {
  const error = await failure(open('http://127.0.0.1:9/v1', { retries: 1 }).complete(REQUEST));
  expect(error.message).toContain('http://127.0.0.1:9/v1/chat/completions');
  expect(error.message).toContain('tried 2 times');
});

test('what a server refuses by name is left out from then on, and said once', async () => {
  const refuse = (message: string, param?: string): Reply => ({
    status: 400,
    body: { error: { message, param } },
  });
  await using s = await scripted(({ body }) => {
    if ('max_tokens' in body)
      return refuse(
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
      );
    if ('seed' in body) return refuse('Unknown field', 'seed');
    if ('temperature' in body)
      return refuse("Unsupported value: 'temperature' does not support 0 with this model.");
    if (Number(body['top_logprobs']) > 5) return refuse('top_logprobs must be at most 5');
    return GOOD;
  });
  await Promise.all([s.client.complete(REQUEST), s.client.complete(REQUEST)]);
  expect(s.notes).toHaveLength(4);
  const before = s.server.asked.length;
  await s.client.complete(REQUEST);
  expect(s.server.asked).toHaveLength(before + 1);
  expect(s.server.asked.at(-1)!.body).toEqual({
    model: 'm',
    messages: REQUEST.messages,
    max_completion_tokens: 1,
    logprobs: true,
    top_logprobs: 5,
  });
});

test('log-probabilities that are refused are done without', async () => {
  await using s = await scripted(({ body }) =>
    'logprobs' in body
      ? { status: 422, body: { detail: [{ loc: ['body', 'logprobs'], msg: 'Extra inputs' }] } }
      : completion('80'),
  );
  expect((await s.client.complete(REQUEST)).firstToken).toBeUndefined();
  expect(s.notes).toEqual([expect.stringContaining('gives no log-probabilities')]);
});

test('a request that is too long changes nothing', async () => {
  const said =
    "This model's maximum context length is 8 tokens: 'max_tokens' or 'max_completion_tokens' is too large";
  await using s = await scripted([{ status: 400, body: { error: { message: said } } }]);
  await failure(s.client.complete(REQUEST));
  await s.client.complete(REQUEST);
  expect(s.server.asked[1]!.body).toHaveProperty('max_tokens', 1);
});

test.each([
  ['none at all', completion('80').body, undefined],
  ['null', { choices: [{ message: { content: '80' }, logprobs: null }] }, undefined],
  [
    'of another kind',
    {
      choices: [
        {
          message: { content: '80' },
          logprobs: { content: [{ top_logprobs: [{ token: 5, logprob: 'x' }] }] },
        },
      ],
    },
    undefined,
  ],
  [
    'half of them garbled',
    {
      choices: [
        {
          message: { content: '80' },
          logprobs: { content: [{ top_logprobs: [{ token: '7' }, { token: '8', logprob: -1 }] }] },
        },
      ],
    },
    [['8', -1]],
  ],
  [
    'of an answer without tokens',
    { choices: [{ message: { content: null }, logprobs: { content: [] } }] },
    [],
  ],
  [
    'of the token alone',
    {
      choices: [
        { message: { content: '9' }, logprobs: { content: [{ token: '9', logprob: -2, top_logprobs: [] }] } },
      ],
    },
    [['9', -2]],
  ],
])('log-probabilities: %s', async (_, body, expected) => {
  await using s = await scripted([{ body }]);
  const { firstToken } = await s.client.complete(REQUEST);
  expect(firstToken && [...firstToken]).toEqual(expected);
});

test('no more requests at a time than allowed, and no more a minute', async () => {
  await using s = await scripted(() => ({ ...GOOD, delayMs: 20 }), { concurrency: 3 });
  await Promise.all(Array.from({ length: 20 }, () => s.client.complete(REQUEST)));
  expect(s.server.most()).toBe(3);

  await using slow = await scripted([], { requestsPerMinute: 600 });
  await Promise.all(Array.from({ length: 5 }, () => slow.client.complete(REQUEST)));
  const times = slow.server.asked.map(({ at }) => at);
  expect(times.at(-1)! - times[0]!).toBeGreaterThan(4 * 100 - 30);
});

test('a stop ends requests, waits and queues at once', async () => {
  await using s = await scripted(() => 'hang', { concurrency: 1 });
  const stop = new AbortController();
  const waiting = [1, 2, 3].map(() => failure(s.client.complete(REQUEST, stop.signal)));
  setTimeout(() => stop.abort(), 50);
  for (const error of await Promise.all(waiting)) expect(error.code).toBe('ABORTED');
  expect(s.server.asked).toHaveLength(1);
});

test('an endless answer is not taken into memory', async () => {
  await using s = await scripted(() => ({ body: 'x'.repeat(17 * 2 ** 20) }));
  expect((await failure(s.client.complete(REQUEST))).message).toContain('more than');
});

test.each<[string, Partial<OpenAiClientOptions>, string]>([
  ['no key for the public address', { baseUrl: undefined, apiKey: undefined }, 'OPENAI_API_KEY is not set'],
  ['a key with a line break in it', { apiKey: `${KEY}\n${KEY}` }, 'OPENAI_API_KEY holds'],
  ['no address', { baseUrl: 'localhost' }, 'not an http address'],
  ['a password in the address', { baseUrl: `http://user:${KEY}@h/v1` }, 'password'],
  ['a price in words', { env: { OPENAI_PRICE_IN: 'cheap' } }, 'OPENAI_PRICE_IN'],
])('%s is said before anything is sent', (_, options, words) => {
  try {
    open('http://127.0.0.1:9/v1', options);
    expect.unreachable();
  } catch (error) {
    expect((error as PersonaError).code).toBe('USAGE');
    expect((error as PersonaError).message).toContain(words);
    expect((error as PersonaError).message).not.toContain(KEY);
  }
});

test('addresses come with and without a slash, a path and a query', async () => {
  await using s = await scripted([]);
  const { origin } = new URL(s.server.url);
  for (const baseUrl of [`${origin}/v1/`, origin, `${origin}/v1/chat/completions`, `${origin}/a/b?version=2`])
    await open(baseUrl).complete(REQUEST);
  expect(s.server.asked.map(({ url }) => url)).toEqual([
    '/v1/chat/completions',
    '/chat/completions',
    '/v1/chat/completions',
    '/a/b/chat/completions?version=2',
  ]);
});
