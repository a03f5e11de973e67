import { once } from 'node:events';
import { type IncomingMessage, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { serve } from '@hono/node-server';
import { type Context, Hono } from 'hono';
import { streamSSE } from 'hono/streaming';
import OpenAI, { AuthenticationError, RateLimitError } from 'openai';
import { expect, onTestFinished, test } from 'vitest';
import { changeKeys } from '../../src/server/keys/file.ts';
import { newKey } from '../../src/server/keys/key.ts';
import { openKeyring } from '../../src/server/keys/keyring.ts';
import {
  type Doorkeeper,
  doorkeeper,
  type DoorEnv,
  type DoorOptions,
} from '../../src/server/limits/doorkeeper.ts';
import { folder } from '../support/folder.ts';

type Handler = (c: Context<DoorEnv>) => Response | Promise<Response>;

const PATH = '/v1/chat/completions';

function anApp(
  options: DoorOptions,
  handler: Handler = (c) => c.json(c.get('caller')),
): { app: Hono<DoorEnv>; door: Doorkeeper } {
  const app = new Hono<DoorEnv>();
  const door = doorkeeper(options);
  app.use('/v1/*', door);
  app.post(PATH, handler);
  app.post('/v1/other', (c) => c.text('ok'));
  app.get('/v1/models', (c) => c.json(c.get('caller')));
  return { app, door };
}

function ask(
  body: unknown = { messages: [{ role: 'user', content: 'Hi' }], max_tokens: 10 },
  key?: string,
): RequestInit {
  const headers = {
    'content-type': 'application/json',
    ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
  };
  return { method: 'POST', headers, body: typeof body === 'string' ? body : JSON.stringify(body) };
}

test('without a keyring everybody is anonymous', async () => {
  const { app } = anApp({});
  expect(await (await app.request(PATH, ask())).json()).toEqual({ keyId: 'anonymous' });
  expect(await (await app.request('/v1/models')).json()).toEqual({ keyId: 'anonymous' });
});

test('with a keyring a key is needed, whose limits and policy hold', async () => {
  const path = join(folder(), 'keys.json');
  const { id, key, hash } = newKey();
  const entry = {
    id,
    hash,
    name: 'a',
    created: new Date().toISOString(),
    policy: 'strict',
    requestsPerMinute: 2,
  };
  await changeKeys(path, () => [entry]);
  using keyring = await openKeyring(path);
  const refused: (string | undefined)[] = [];
  const { app } = anApp({
    keyring,
    limits: { requestsPerMinute: 1 },
    onRefused: (code, keyId) => refused.push(code, keyId),
  });
  for (const init of [ask(), ask({}, newKey().key)]) {
    const answer = await app.request(PATH, init);
    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).toBe('Bearer');
    const text = await answer.text();
    expect(JSON.parse(text)).toMatchObject({
      error: { type: 'invalid_request_error', code: 'invalid_api_key', param: null },
    });
  }
  expect((await app.request('/v1/models')).status).toBe(401);
  const answer = await app.request(PATH, ask({}, key));
  expect(await answer.json()).toEqual({ keyId: id, policy: 'strict' });
  expect(answer.headers.get('x-ratelimit-limit-requests')).toBe('2');
  expect((await app.request(PATH, ask({}, key))).status).toBe(200);
  const third = await app.request(PATH, ask({}, key));
  expect(third.status).toBe(429);
  expect(await third.text()).not.toContain(key);
  expect(refused.slice(-2)).toEqual(['rate_limit_exceeded', id]);
});

test('too many requests get 429 until the clock, which only goes forward, has gone on', async () => {
  let now = 0;
  const { app } = anApp({ limits: { requestsPerMinute: 2 }, now: () => now });
  for (const remaining of ['1', '0']) {
    const answer = await app.request(PATH, ask());
    expect(answer.headers.get('x-ratelimit-remaining-requests')).toBe(remaining);
  }
  now = 500;
  const limited = await app.request(PATH, ask());
  expect(limited.status).toBe(429);
  expect(limited.headers.get('retry-after')).toBe('30');
  expect(limited.headers.get('retry-after-ms')).toBe('29500');
  expect(limited.headers.get('x-ratelimit-remaining-requests')).toBe('0');
  expect(await limited.json()).toMatchObject({ error: { type: 'requests', code: 'rate_limit_exceeded' } });
  now = 30_000;
  expect((await app.request(PATH, ask())).status).toBe(200);
  now = -1e9;
  expect((await app.request(PATH, ask())).status).toBe(429);
  expect((await app.request('/v1/models')).status).toBe(200); // no answer: only the key counts
});

test('tokens are settled by the handler; a refusal of its own costs none', async () => {
  let status: 200 | 400 = 200;
  const { app } = anApp({ limits: { tokensPerMinute: 1000 }, now: () => 0 }, async (c) => {
    expect(await c.req.json()).toMatchObject({ max_tokens: 500 }); // the body is still there
    if (status === 200) c.get('settle')(40);
    return c.json({}, status);
  });
  const body = { messages: [{ role: 'user', content: 'Hi' }], max_tokens: 500 };
  expect((await app.request(PATH, ask(body))).headers.get('x-ratelimit-remaining-tokens')).toBe('960');
  status = 400;
  expect((await app.request(PATH, ask(body))).headers.get('x-ratelimit-remaining-tokens')).toBe('960');
});

test('an answer that is never settled keeps its estimate', async () => {
  const { app } = anApp({ limits: { tokensPerMinute: 1000 }, now: () => 0 });
  const answer = await app.request(PATH, ask({ prompt: 'x'.repeat(400), max_tokens: 500 }));
  expect(answer.headers.get('x-ratelimit-remaining-tokens')).toBe('400');
});

test('beyond the queue requests are turned away, also when they come all at once, and the end of a stream makes room', async () => {
  const open: (() => void)[] = [];
  const { app, door } = anApp({ queue: { running: 1, waiting: 2 } }, (c) =>
    streamSSE(c, async (stream) => {
      await stream.writeSSE({ data: 'a' });
      await new Promise<void>((resolve) => open.push(resolve));
    }),
  );
  const answers = await Promise.all(Array.from({ length: 5 }, async () => app.request(PATH, ask())));
  expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 200, 200, 429, 429]);
  expect(door.waiting()).toBe(2);
  const busy = answers.find(({ status }) => status === 429)!;
  expect(await busy.json()).toMatchObject({ error: { code: 'queue_full' } });
  expect(busy.headers.get('retry-after')).toBe('5');
  const good = answers.filter(({ status }) => status === 200);
  const texts = good.slice(0, 2).map((answer) => answer.text());
  while (open.length < 3) await sleep(5);
  for (const end of open.splice(0)) end();
  expect(await Promise.all(texts)).toEqual(['data: a\n\n', 'data: a\n\n']);
  await good[2]!.body!.cancel(); // a client that left
  expect(door.waiting()).toBe(0);
  expect((await app.request(PATH, ask())).status).toBe(200);
});

test('a handler that throws leaves the queue', async () => {
  const { app, door } = anApp({ queue: { running: 1, waiting: 0 } }, () => {
    throw new Error('broken');
  });
  app.onError((_, c) => c.text('sorry', 500));
  for (let i = 0; i < 3; i++) {
    const answer = await app.request(PATH, ask());
    expect(answer.status).toBe(500);
    await answer.text();
  }
  expect(door.waiting()).toBe(0);
});

test('a body that is too large is refused, with its length told or not', async () => {
  const { app } = anApp({ limits: { bodyBytes: 1000 } });
  const large = JSON.stringify({ prompt: 'x'.repeat(1000) });
  const told = await app.request(PATH, {
    ...ask(large),
    headers: { 'content-length': String(large.length) },
  });
  expect(told.status).toBe(413);
  expect(await told.json()).toMatchObject({ error: { code: 'request_too_large' } });
  const stream = new Blob([large]).stream();
  const chunked = new Request(`http://a${PATH}`, {
    method: 'POST',
    body: stream,
    duplex: 'half',
  });
  expect((await app.request(chunked)).status).toBe(413);
  expect((await app.request('/v1/other', ask(large))).status).toBe(413);
  expect((await app.request('/v1/other', ask('{}'))).status).toBe(200);
});

test('what is no JSON is left to the handler', async () => {
  const { app } = anApp({}, async (c) => c.json({ text: await c.req.text() }, 400));
  expect(await (await app.request(PATH, ask('{"a":'))).json()).toEqual({ text: '{"a":' });
});

test('when the time is up a handler is told, and its client too', async () => {
  let reason: unknown;
  const { app, door } = anApp({ limits: { timeoutMs: 50 } }, async (c) => {
    await new Promise<void>((resolve) => c.get('signal').addEventListener('abort', () => resolve()));
    reason = c.get('signal').reason;
    await sleep(100);
    return c.text('late');
  });
  const answer = await app.request(PATH, ask());
  expect(answer.status).toBe(504);
  expect(await answer.json()).toMatchObject({ error: { code: 'timeout' } });
  expect(reason).toMatchObject({ code: 'ABORTED' });
  expect(door.waiting()).toBe(0);
});

test('over a real connection: a client that leaves in the middle aborts the signal and makes room', async () => {
  const aborted = Promise.withResolvers<void>();
  const { app, door } = anApp({ queue: { running: 1, waiting: 0 } }, (c) =>
    streamSSE(c, async (stream) => {
      const signal = c.get('signal');
      signal.addEventListener('abort', () => aborted.resolve());
      for (let i = 0; i < 500 && !stream.aborted && !signal.aborted; i++) {
        await stream.writeSSE({ data: String(i) });
        await sleep(10);
      }
    }),
  );
  const server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' });
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const client = httpRequest({
    port,
    host: '127.0.0.1',
    path: PATH,
    method: 'POST',
    headers: { 'content-type': 'application/json' },
  });
  client.on('error', () => {});
  client.end('{}');
  const [response] = (await once(client, 'response')) as [IncomingMessage];
  await once(response, 'data');
  response.on('error', () => {});
  expect((await fetch(`http://127.0.0.1:${port}${PATH}`, ask())).status).toBe(429);
  client.destroy();
  await aborted.promise;
  const again = await fetch(`http://127.0.0.1:${port}${PATH}`, ask());
  expect(again.status).toBe(200);
  await again.body!.cancel();
  expect(door.waiting()).toBe(0);
});

test("OpenAI's own client understands the refusals", async () => {
  const path = join(folder(), 'keys.json');
  const { id, key, hash } = newKey();
  await changeKeys(path, () => [
    { id, hash, name: 'a', created: new Date().toISOString(), tokensPerMinute: 100 },
  ]);
  using keyring = await openKeyring(path);
  const { app } = anApp({ keyring }, (c) => c.json({ choices: [] }));
  function create(apiKey: string): Promise<unknown> {
    const client = new OpenAI({
      apiKey,
      baseURL: 'http://persona/v1',
      maxRetries: 0,
      fetch: async (url, init) => app.request(url, init),
    });
    return client.chat.completions.create({
      model: 'm',
      messages: [{ role: 'user', content: 'Hi' }],
      max_tokens: 90,
    });
  }
  await create(key);
  await expect(create(newKey().key)).rejects.toBeInstanceOf(AuthenticationError);
  const limited: unknown = await create(key).catch((error: unknown) => error);
  expect(limited).toBeInstanceOf(RateLimitError);
  expect(limited).toMatchObject({ code: 'rate_limit_exceeded', type: 'tokens' });
});
