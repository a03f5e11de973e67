/**
 * What the server costs: whole requests over a real port, streamed, with the door, metrics and the record of
 * `persona serve` around them, beside the bare loop, beside itself, and beside the engine without HTTP. Server and
 * clients share one process here, so that the clients' own work counts against the server.
 */

import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { Agent, type IncomingMessage, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PersonaError } from '../../errors.ts';
import { mean, quantile } from '../../math/statistics.ts';
import type { ChatModel } from '../../model/chat-model.ts';
import { buildApp } from '../../server/app.ts';
import { equip } from '../../server/equip.ts';
import { listen } from '../../server/listen.ts';
import { noPolicies, served, type LoadedVector } from '../../server/served.ts';
import { parseConfig } from '../../steer/policy/load.ts';
import { policiesOf } from '../../steer/policy/policies.ts';
import type { PersonaVector } from '../../vector/vector.ts';
import { type Bench, EDIT_COEFFICIENT, type Line, middle, PARALLEL, someDirection } from './lines.ts';
import { type Arrival, arrivalsOf, GREEDY, rateTogether, settle } from './measure.ts';

export interface ServedBench extends AsyncDisposable {
  port: number;
  /** under a policy with a rule that may stop an answer at any token, and never does */
  ruledPort: number;
}

const WATCHED = 4;

const RULED = parseConfig(
  'policies: { ruled: { rules: [{ name: never, when: v0 > 1e9, do: [stop] }] } }\ndefaults: { policy: ruled }',
  'bench',
);

/** The server of the lines below, with vectors v0, v1, … of random directions. */
export async function serveForBench(chat: ChatModel, tell: (problem: string) => void): Promise<ServedBench> {
  await using opened = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'persona-bench-'));
  opened.defer(() => rm(folder, { recursive: true }));
  const loadedAt = new Date().toISOString();
  const vectors = new Map(
    Array.from({ length: PARALLEL }, (_, i): [string, LoadedVector] => [
      `v${i}`,
      { vector: someVector(chat, i), source: 'bench', loadedAt },
    ]),
  );
  const ruled = policiesOf(RULED, (name) => vectors.get(name)?.vector, chat.identity);
  const ports: number[] = [];
  for (const [i, policies] of [noPolicies, ruled].entries()) {
    const all = served(chat, { vectors, policies });
    opened.use(await equip(all, { events: join(folder, `events-${i}.sqlite`), tell }));
    ports.push(opened.use(await listen(buildApp(all), all, { port: 0 })).port);
  }
  const held = opened.move();
  return { port: ports[0]!, ruledPort: ports[1]!, [Symbol.asyncDispose]: () => held.disposeAsync() };
}

export function serveLines(bench: Bench, { port, ruledPort }: ServedBench): Line[] {
  const { chat, bare, trait, size, signal } = bench;
  const { engine } = chat;
  const { layers } = engine.info;
  const questions = trait.evaluation.slice(0, PARALLEL);
  const plain = questions.map((content) => bodyOf(content, size.tokens));
  const streamRate = async (bodies: readonly object[], to = port): Promise<number> => {
    await settle(engine, signal);
    const begun = performance.now();
    return rateTogether(begun, await streamAll(to, bodies, signal));
  };
  const common = { group: 'serve', unit: 'tokens/s', repeats: size.repeats } as const;
  const beside = (what: string, against: string, own: (i: number) => object, goal?: number): Line => {
    const bodies = plain.map((body, i) => ({ ...body, ...own(i) }));
    return {
      ...common,
      what: `served to ${PARALLEL} clients, ${what}`,
      against: `served, ${against}`,
      measured: () => streamRate(bodies),
      reference: () => streamRate(plain),
      ...(goal === undefined ? {} : { goal }),
    };
  };
  const watching = (layerOf: (k: number) => number): object => ({
    monitor: Array.from({ length: WATCHED }, (_, k) => `v${k}@${layerOf(k)}`),
  });
  const steering = (i: number, layer: number): object => ({
    steering: { vector: `v${i}`, coefficient: EDIT_COEFFICIENT * (i % 2 === 0 ? 1 : -1), layer },
  });
  const at = middle(chat);
  return [
    ...[1, 8, PARALLEL].map((clients): Line => ({
      ...common,
      what: `served to ${clients === 1 ? '1 client' : `${clients} clients`}`,
      against: 'a bare loop over the same library',
      goal: 0.95,
      measured: () => streamRate(plain.slice(0, clients)),
      async reference() {
        const texts = questions.slice(0, clients).map((content) => chat.render([{ role: 'user', content }]));
        const prompts = await Promise.all(texts.map(async (text) => await engine.tokenize(text, true)));
        const { seconds } = await bare.decode(prompts, size.tokens);
        return (clients * (size.tokens - 1)) / seconds;
      },
    })),
    beside(`${WATCHED} traits watched at one layer`, 'unwatched', () => watching(() => at), 0.97),
    beside(`${WATCHED} traits watched at layers of their own`, 'unwatched', () =>
      watching((k) => Math.floor(((k + 1) * layers) / (WATCHED + 1))),
    ),
    {
      ...common,
      what: `served to ${PARALLEL} clients, under a rule that may stop them at any token`,
      against: 'served, under no rule',
      measured: () => streamRate(plain, ruledPort),
      reference: () => streamRate(plain),
    },
    beside('each steered its own way, at one layer', 'unsteered', (i) => steering(i, at), 0.95),
    beside('each steered its own way, at layers of their own', 'unsteered', (i) =>
      steering(i, Math.floor((i * layers) / PARALLEL)),
    ),
    ...[1, PARALLEL].flatMap((clients) => waitLines(bench, port, clients)),
  ];
}

/** The waits of a client, beside those of whoever asks the engine itself. */
function waitLines({ chat, trait, size, signal }: Bench, port: number, clients: number): Line[] {
  let asked = 0;
  /** Prompts that nobody asked before: what a request finds in the cache is the chat template's beginning. */
  const fresh = (): string[] =>
    trait.evaluation.slice(0, clients).map((question) => `${++asked}. ${question}`);
  async function overHttp(): Promise<Waits> {
    await settle(chat.engine, signal);
    const begun = performance.now();
    const bodies = fresh().map((content) => bodyOf(content, size.tokens));
    return waitsOf(begun, await streamAll(port, bodies, signal));
  }
  async function direct(): Promise<Waits> {
    await settle(chat.engine, signal);
    const begun = performance.now();
    const requests = fresh().map((content) => ({
      prompt: chat.render([{ role: 'user', content }]),
      maxTokens: size.tokens,
      sampling: GREEDY,
      ignoreEnd: true,
    }));
    return waitsOf(begun, await arrivalsOf(chat.engine, requests, signal));
  }
  const line = (what: string, of: (waits: Waits) => number): Line => ({
    group: 'wait',
    what: `${what}, ${clients === 1 ? '1 client' : `${clients} clients`}`,
    against: 'the engine without HTTP',
    unit: 'ms',
    repeats: size.repeats,
    measured: async () => of(await overHttp()),
    reference: async () => of(await direct()),
  });
  return [
    line('first token, mean wait', ({ first }) => mean(first)),
    line('between tokens, median wait', ({ between }) => quantile(between, 0.5)),
    line('between tokens, 99 of 100 waits are below', ({ between }) => quantile(between, 0.99)),
  ];
}

interface Waits {
  /** ms of each request */
  first: number[];
  /** ms between the messages that bring tokens, of all requests */
  between: number[];
}

function waitsOf(begun: number, streams: readonly (readonly Arrival[])[]): Waits {
  const between = streams.flatMap((arrivals) => arrivals.slice(1).map(({ at }, i) => at - arrivals[i]!.at));
  return {
    first: streams.map((arrivals) => arrivals[0]!.at - begun),
    between: between.length > 0 ? between : [0], // all came at once
  };
}

function bodyOf(content: string, tokens: number): object {
  return {
    messages: [{ role: 'user', content }],
    temperature: 0,
    max_tokens: tokens,
    ignore_eos: true,
    stream: true,
    stream_options: { continuous_usage_stats: true },
  };
}

const agent = new Agent({ keepAlive: true });

/** When the tokens of each answer came, all asked at once. */
async function streamAll(port: number, bodies: readonly object[], signal: AbortSignal): Promise<Arrival[][]> {
  return await Promise.all(bodies.map((body) => stream(port, body, signal)));
}

/** The plainest client: it keeps what comes with its time, and reads it when all is over. */
async function stream(port: number, body: object, signal: AbortSignal): Promise<Arrival[]> {
  const sent = request({
    port,
    host: '127.0.0.1',
    path: '/v1/chat/completions',
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    agent,
    signal,
  });
  sent.end(JSON.stringify(body));
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  const parts: { at: number; text: string }[] = [];
  response.setEncoding('utf8');
  for await (const text of response) parts.push({ at: performance.now(), text: text as string });
  const whole = parts.map(({ text }) => text).join('');
  if (!whole.endsWith('data: [DONE]\n\n'))
    throw new PersonaError('SERVER', `the server answered ${response.statusCode}: ${whole.slice(-300)}`);
  return arrivalsIn(parts);
}

/** An event counts when its last byte came. */
function arrivalsIn(parts: readonly { at: number; text: string }[]): Arrival[] {
  const arrivals: Arrival[] = [];
  let rest = '';
  let known = 0;
  for (const { at, text } of parts) {
    const events = (rest + text).split('\n\n');
    rest = events.pop()!;
    for (const event of events) {
      if (event === 'data: [DONE]') continue;
      const { usage } = JSON.parse(event.slice('data: '.length)) as { usage: { completion_tokens: number } };
      const tokens = usage.completion_tokens - known;
      known = usage.completion_tokens;
      if (tokens > 0) arrivals.push({ at, tokens });
    }
  }
  return arrivals;
}

/** With the least that steering and watching need. */
function someVector(chat: ChatModel, seed: number): PersonaVector {
  const { layers, width } = chat.engine.info;
  const directions = new Float32Array(layers * width);
  const row = someDirection(chat, seed);
  for (let layer = 0; layer < layers; layer++) directions.set(row, layer * width);
  return {
    trait: `v${seed}`,
    kind: 'response_avg',
    model: chat.identity,
    directions,
    layer: middle(chat),
    coefficient: EDIT_COEFFICIENT,
    recipe: { created: new Date().toISOString() },
    quality: {},
    version: 'bench',
  };
}
