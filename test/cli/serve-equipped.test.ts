/** `persona serve` with all that stands around its answers: configuration, keys, policies, record, metrics, reload. */

import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import OpenAI from 'openai';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test, vi } from 'vitest';
import { folder } from '../support/folder.ts';
import { plantedHome } from '../support/planted-home.ts';
import { persona, startPersona, type Running } from '../support/start-persona.ts';

vi.setConfig({ testTimeout: 90_000 }); // processes of their own, on a machine that may be busy

const home = plantedHome();

const CONFIG = `
vectors: { pish: v.gguf }
defaults: { policy: capped, monitor: [pish] }
policies:
  capped:
    always: ["pish=0.4@2:cap/all"]
    steer: { pish: { min: -1, max: 1, ops: [add] } }
  ended:
    rules:
      - { name: high, when: "pish > -1000", do: [log, { stop: too_much }] }
`;

async function serving(
  cwd: string,
  ...args: string[]
): Promise<{ running: Running; url: string; said: () => string }> {
  const running = startPersona(cwd, [
    'serve',
    '--model',
    home.model,
    ...'--threads 1 --parallel 4 --port 0 --json --cache-type f32'.split(' '),
    ...args,
  ]);
  let said = '';
  running.child.stderr!.on('data', (text: string) => (said += text));
  const line = await new Promise<string>((resolve, reject) => {
    running.child.stdout!.once('data', (text: string) => resolve(text));
    void running.ended.then(({ stderr }) => reject(new Error(stderr)));
  });
  const { port } = JSON.parse(line) as { port: number };
  return { running, url: `http://127.0.0.1:${port}`, said: () => said };
}

interface Said {
  persona: {
    traits: Record<string, { max: { raw: number } }>;
    fired: { rule: string; action: string }[];
    steering: { op: string }[];
  };
}

test('keys say who asks and by which policy; every answer is remembered, and counted; a bad configuration is not taken', async () => {
  const cwd = folder();
  copyFileSync(join(home.folder, 'vectors/pish.gguf'), join(cwd, 'v.gguf'));
  writeFileSync(join(cwd, 'persona.yaml'), CONFIG);
  mkdirSync(join(cwd, 'home'));
  const key = async (...args: string[]): Promise<string> =>
    (await persona(cwd, 'keys', 'add', ...args, '--file', 'keys.json')).stdout.trim().split('\n').at(-1)!;
  const usual = await key('usual');
  const ended = await key('ended', '--policy', 'ended', '--requests-per-minute', '2');
  const { running, url, said } = await serving(
    cwd,
    '--config',
    'persona.yaml',
    '--keys',
    'keys.json',
    '--events',
    'events.sqlite',
    '--log',
  );
  const client = (apiKey: string): OpenAI => new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0 });
  const ask = {
    model: 'planted',
    messages: [{ role: 'user' as const, content: 'PPP PPP' }],
    temperature: 0,
    max_tokens: 12,
    ignore_eos: true,
  };

  await expect(client('pk_wrong').chat.completions.create(ask)).rejects.toThrow(/401/);
  expect((await fetch(`${url}/v1/models`)).status).toBe(401);
  expect((await fetch(`${url}/ready`)).status).toBe(200);

  const capped = await client(usual).chat.completions.create(ask);
  const choice = capped.choices[0] as unknown as Said;
  expect(choice.persona.traits['pish']!.max.raw).toBeLessThanOrEqual(0.4 + 1e-4); // no token passes the cap
  expect(choice.persona.steering.map(({ op }) => op)).toEqual(['cap']);
  await expect(
    client(usual).chat.completions.create({ ...ask, steering: 'pish=5@2' } as typeof ask),
  ).rejects.toMatchObject({ status: 403, param: expect.stringContaining('steering') });

  const stopped = await client(ended).chat.completions.create(ask);
  expect(stopped.choices[0]!.finish_reason).toBe('too_much');
  expect((stopped.choices[0] as unknown as Said).persona.fired[0]).toMatchObject({ rule: 'high' });
  await client(ended).chat.completions.create(ask);
  await expect(client(ended).chat.completions.create(ask)).rejects.toMatchObject({ status: 429 });

  const streamed = await client(usual).chat.completions.create({ ...ask, stream: true });
  let text = '';
  for await (const chunk of streamed) text += chunk.choices[0]?.delta.content ?? '';
  expect(text).toBe(capped.choices[0]!.message.content);

  const metrics = await (
    await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${usual}` } })
  ).text();
  expect(metrics).toMatch(
    /persona_answers_total\{endpoint="\/v1\/chat\/completions",finish_reason="length"\} 2/,
  );
  expect(metrics).toMatch(/persona_rules_fired_total\{rule="high",action="stop",trait="pish"\} 2/);
  expect(metrics).toMatch(/persona_requests_refused_total\{reason="rate_limit_exceeded"\} 1/);

  // a bad file is not taken; a good one is, at once
  writeFileSync(join(cwd, 'persona.yaml'), CONFIG.replace('pish=0.4@2', 'pish=0.4@99'));
  running.child.kill('SIGHUP');
  await vi.waitFor(() => expect(said()).toMatch(/persona\.yaml stays as it was: .*99/s), 10_000);
  writeFileSync(join(cwd, 'persona.yaml'), CONFIG.replace('0.4@2', '-0.2@2'));
  running.child.kill('SIGHUP');
  await vi.waitFor(() => expect(said()).toContain('persona.yaml was read anew'), 10_000);
  const anew = (await client(usual).chat.completions.create(ask)).choices[0] as unknown as Said;
  expect(anew.persona.traits['pish']!.max.raw).toBeLessThanOrEqual(-0.2 + 1e-4);

  running.child.kill('SIGTERM');
  expect((await running.ended).code).toBe(0);
  const events = await persona(cwd, 'events', '--db', 'events.sqlite', '--json');
  const rows = (JSON.parse(events.stdout) as { events: { keyId: string; finishReason: string }[] }).events;
  expect(rows.map(({ finishReason }) => finishReason).toSorted()).toEqual(
    ['length', 'length', 'length', 'too_much', 'too_much'].toSorted(),
  );
  expect(new Set(rows.map(({ keyId }) => keyId)).size).toBe(2);
  const log = said()
    .split('\n')
    .filter((line) => line.startsWith('{"time"'));
  expect(log).toHaveLength(5);
  for (const secret of [usual, ended, 'PPP PPP']) {
    expect(said()).not.toContain(secret);
    expect(readFileSync(join(cwd, 'events.sqlite'), 'latin1')).not.toContain(secret);
  }
});

test('an engine that is killed fails only what it was answering, and is back', async () => {
  const cwd = folder();
  mkdirSync(join(cwd, 'home'));
  const { running, url } = await serving(cwd, '--no-events');
  const ask = (tokens: number): Promise<Response> =>
    fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        messages: [{ role: 'user', content: 'a' }],
        max_tokens: tokens,
        ignore_eos: true,
      }),
    });
  const engine = (): number =>
    Number(
      readFileSync(`/proc/${running.child.pid}/task/${running.child.pid}/children`, 'utf8')
        .trim()
        .split(' ')[0],
    );
  expect((await ask(2)).status).toBe(200);
  for (let k = 0; k < 2; k++) {
    const hit = ask(1000);
    await sleep(150);
    process.kill(engine(), 'SIGKILL');
    const response = await hit;
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '1']);
    expect(await response.json()).toMatchObject({ error: { code: 'engine_crashed' } });
    expect((await ask(2)).status).toBe(200);
  }
  const hit = ask(1000);
  await sleep(150);
  process.kill(engine(), 'SIGKILL');
  expect((await hit).status).toBe(503);
  // the third within a minute: it rests, and says so
  const resting = await ask(2);
  expect(resting.status).toBe(503);
  expect(await resting.json()).toMatchObject({
    error: { message: expect.stringMatching(/crashed 3 times/) },
  });
  expect((await fetch(`${url}/ready`)).status).toBe(503);
  expect((await fetch(`${url}/health`)).status).toBe(200);
  running.child.kill('SIGTERM');
  expect((await running.ended).code).toBe(0);
});
