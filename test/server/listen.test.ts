import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, get } from 'node:http';
import { expect, test, vi } from 'vitest';
import { FAULTS_VARIABLE } from '../../src/engine/protocol.ts';
import { buildApp } from '../../src/server/app.ts';
import { listen } from '../../src/server/listen.ts';
import type { AnswerEvent } from '../../src/server/contracts.ts';
import { noRecorder, type Served } from '../../src/server/served.ts';
import { GREEDY, usePlantedServer } from '../support/planted-server.ts';

vi.stubEnv(FAULTS_VARIABLE, '1');
const server = usePlantedServer();

function post(url: string, body: object): Promise<Response> {
  return fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...GREEDY, ...body }),
  });
}

test('closing lets answers under way end, and takes no more', async () => {
  const served: Served = { ...server.served, state: { draining: false } };
  const listening = await listen(buildApp(served), served, { port: 0 });
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const status = (): Promise<number> =>
    new Promise((resolve, reject) => {
      get(`${listening.url}/health`, { agent }, (response) => {
        response.resume().on('end', () => resolve(response.statusCode!));
      }).on('error', reject);
    });
  expect(await status()).toBe(200);
  const stream = await post(listening.url, {
    max_tokens: 200,
    stream: true,
    logprobs: true,
    top_logprobs: 20,
  });
  const closed = listening.close();
  const text = await stream.text();
  expect(text.trim().endsWith('[DONE]')).toBe(true);
  await closed;
  await expect(post(listening.url, {})).rejects.toThrow();
  agent.destroy();
});

test('answers that the end cuts off are recorded before it', async () => {
  const ended: string[] = [];
  const recorder = { ...noRecorder, record: (event: AnswerEvent) => ended.push(event.finishReason) };
  const served: Served = { ...server.served, recorder, state: { draining: false } };
  const listening = await listen(buildApp(served), served, { port: 0 });
  const long = { max_tokens: 200, n: 2, logprobs: true, top_logprobs: 20 };
  const stream = await post(listening.url, { ...long, stream: true });
  const read = stream.text().catch(() => 'cut off');
  const whole = post(listening.url, long).catch(() => 'cut off');
  await vi.waitFor(() => expect(served.underWay.size).toBe(2));
  await listening.close(0);
  expect(ended).toEqual(Array.from({ length: 4 }, () => 'aborted'));
  expect(await Promise.all([read, whole])).toEqual(['cut off', 'cut off']);
});

test('a port that is taken is a usage error', async () => {
  const served: Served = { ...server.served, state: { draining: false } };
  await using listening = await listen(buildApp(served), served, { port: 0 });
  await expect(listen(buildApp(served), served, { port: listening.port })).rejects.toMatchObject({
    code: 'USAGE',
    message: expect.stringContaining(String(listening.port)),
  });
});

test('an engine that crashes is a 503 with a time to come back, and is there again', async () => {
  await using listening = await listen(buildApp(server.served), server.served, { port: 0 });
  const answers = [
    post(listening.url, { max_tokens: 220 }),
    post(listening.url, { max_tokens: 220, stream: true }),
  ];
  await sleep(5);
  server.model.engine.fault('native_abort');
  const [whole, stream] = await Promise.all(answers);
  expect(whole!.status).toBe(503);
  expect(whole!.headers.get('retry-after')).toBe('1');
  expect(await whole!.json()).toMatchObject({ error: { type: 'server_error', code: 'engine_crashed' } });
  const text = await stream!.text(); // the error is the answer, or the last event of it
  expect(text).toContain('"code":"engine_crashed"');
  expect(text).not.toContain('[DONE]');
  await vi.waitFor(async () => expect((await fetch(`${listening.url}/ready`)).status).toBe(200), {
    timeout: 10_000,
  });
  expect((await post(listening.url, {})).status).toBe(200);
});
