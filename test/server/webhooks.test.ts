import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { verifySignature } from '../../src/server/webhook/signature.ts';
import { openWebhooks, type WebhookOptions } from '../../src/server/webhook/webhooks.ts';

interface Receiver {
  url: string;
  host: string;
  got: { request: IncomingMessage; body: string }[];
}

async function receiver(
  respond: RequestListener = (_, response) => void response.end('ok'),
): Promise<Receiver> {
  const got: Receiver['got'] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => (body += text));
    request.on('end', () => {
      got.push({ request, body });
      respond(request, response);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/hook?token=hidden`, host: `127.0.0.1:${port}`, got };
}

function watched(options: WebhookOptions = {}) {
  const problems: string[] = [];
  const outcomes: string[] = [];
  const hooks = openWebhooks({
    allowPrivate: ['127.0.0.1'],
    retryMs: 5,
    ...options,
    onProblem: (problem) => problems.push(problem),
    onOutcome: (outcome) => outcomes.push(outcome),
  });
  return { hooks, problems, outcomes };
}

async function until(done: () => boolean): Promise<void> {
  for (let tries = 0; !done(); tries++) {
    if (tries > 500) throw new Error('it did not come to pass');
    await sleep(10);
  }
}

test('a message arrives whole and signed, also one that is sent just before the end', async () => {
  const { url, got } = await receiver();
  const { hooks, outcomes, problems } = watched({ secret: 'shared' });
  hooks.send(url, { rule: 'r', text: 'ä\u{1F600}' });
  await hooks[Symbol.asyncDispose]();
  const { request, body } = got[0]!;
  expect(JSON.parse(body)).toEqual({ rule: 'r', text: 'ä\u{1F600}' });
  expect(request).toMatchObject({ method: 'POST', url: '/hook?token=hidden' });
  expect(request.headers['content-type']).toBe('application/json');
  expect(verifySignature('shared', body, request.headers['x-persona-signature'] as string)).toBe(true);
  expect([outcomes, problems]).toEqual([['sent'], []]);
});

test('a receiver that fails is tried again, with the same id, until it takes the message', async () => {
  let calls = 0;
  const { url, got } = await receiver(
    (_, response) => void response.writeHead(++calls < 3 ? 500 : 204).end(),
  );
  const { hooks, outcomes } = watched();
  hooks.send(url, 1);
  await until(() => outcomes.length > 0);
  expect(outcomes).toEqual(['sent']);
  expect(got).toHaveLength(3);
  expect(new Set(got.map(({ request }) => request.headers['x-persona-delivery'])).size).toBe(1);
  expect(hooks.waiting()).toBe(0);
});

test('when the retries are used up it is counted and told, without the path', async () => {
  const { url, host, got } = await receiver((_, response) => void response.writeHead(503).end());
  const { hooks, outcomes, problems } = watched({ retries: 2 });
  hooks.send(url, 1);
  await until(() => outcomes.length > 0);
  expect(got).toHaveLength(3);
  expect(hooks.failed()).toBe(1);
  expect(problems).toEqual([`a webhook to ${host} was given up (1 in all): it answered 503 (tried 3 times)`]);
});

test('a redirect is not followed', async () => {
  const inner = await receiver();
  const { url, got } = await receiver(
    (_, response) => void response.writeHead(307, { location: inner.url }).end(),
  );
  const { hooks, outcomes, problems } = watched();
  hooks.send(url, 1);
  await until(() => outcomes.length > 0);
  expect(outcomes).toEqual(['failed']);
  expect(got).toHaveLength(1);
  expect(inner.got).toEqual([]);
  expect(problems[0]).toContain('redirects are not followed');
});

test('a receiver that hangs holds up its own messages only', async () => {
  const hanging = await receiver(() => {});
  const quick = await receiver();
  const { hooks, outcomes, problems } = watched({ timeoutMs: 400, retries: 0 });
  for (let i = 0; i < 10; i++) hooks.send(hanging.url, i);
  const begun = performance.now();
  hooks.send(quick.url, 'x');
  expect(performance.now() - begun).toBeLessThan(50);
  await until(() => quick.got.length === 1);
  expect(performance.now() - begun).toBeLessThan(350);
  expect(hanging.got).toHaveLength(2); // connections to one receiver
  await until(() => outcomes.length === 11);
  expect(problems[0]).toContain('no answer within 0.4 s');
});

test('a body without end is not read', async () => {
  let stopped = false;
  const { url } = await receiver((_, response) => {
    const filling = Buffer.alloc(1 << 16);
    const more = setInterval(() => response.write(filling), 1);
    response.on('close', () => {
      clearInterval(more);
      stopped = true;
    });
  });
  const { hooks, outcomes } = watched();
  hooks.send(url, 1);
  await until(() => outcomes.length > 0 && stopped);
  expect(outcomes).toEqual(['sent']);
});

test('an address that is private is refused at once, and a name is connected to where it was checked', async () => {
  const { url, got, host } = await receiver();
  const strict = watched({ allowPrivate: [] });
  strict.hooks.send(url, 1);
  await until(() => strict.outcomes.length > 0);
  expect(strict.problems[0]).toContain('not public');

  // the first answer of the resolver is a harmless one, all others would be this machine
  let asked = 0;
  const resolve = async (): Promise<{ address: string; family: number }[]> => {
    const address = asked++ === 0 ? '127.0.0.1' : '127.0.0.2';
    return [{ address, family: 4 }];
  };
  const port = host.split(':')[1];
  const named = watched({ allowPrivate: ['hooks.invalid'], resolve });
  named.hooks.send(`http://hooks.invalid:${port}/`, 1);
  await until(() => named.outcomes.length > 0);
  expect(named.outcomes).toEqual(['sent']);
  expect(asked).toBe(1); // hooks.invalid has no address but the one that was checked
  expect(got).toHaveLength(1);
  expect(got[0]!.request.headers.host).toBe(`hooks.invalid:${port}`);
});

test('what nobody can take is bounded, counted, and ends with the server', async () => {
  const sockets: Socket[] = [];
  const server = createTcpServer((socket) => void sockets.push(socket)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const { hooks, outcomes } = watched({ closeMs: 100 });
  for (let i = 0; i < 1005; i++) hooks.send(`http://127.0.0.1:${port}/`, i);
  expect(outcomes).toHaveLength(5);
  await hooks[Symbol.asyncDispose]();
  expect(outcomes).toHaveLength(1005);
  expect(hooks.waiting()).toBe(0);
  hooks.send(`http://127.0.0.1:${port}/`, 'late');
  expect(hooks.failed()).toBe(1006);
});

test('what cannot be sent at all throws nothing', async () => {
  const { hooks, problems } = watched();
  const circular: Record<string, unknown> = {};
  circular['self'] = circular;
  hooks.send('http://127.0.0.1:9/', circular);
  hooks.send('gopher://example.com/', 1);
  expect(problems).toHaveLength(2);
});
