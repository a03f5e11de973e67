/** Everything goes wrong while clients stream: what each of them is told, and that what was answered is remembered. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { expect, onTestFinished, test, vi } from 'vitest';
import { folder } from '../support/folder.ts';
import { plantedHome } from '../support/planted-home.ts';
import { PERSONA } from '../support/run-cli.ts';
import { brokenOf, type Schema, valuesOf } from '../support/schema-values.ts';

const home = plantedHome();
const KILLS = 10;
const DAY = 86_400_000;
/** Longer than the breaker rests, ms. */
const REST = 31_000;
/** Whatever takes longer hangs, ms; on a machine that does other work too. */
const HANGS = 30_000;

/** For fields of which the schema cannot say what this server has. */
const SERVABLE = {
  model: 'planted',
  steering: 'pish=0.1',
  monitor: ['pish'],
  n: 1,
  best_of: null,
  max_tokens: 5,
  max_completion_tokens: null,
  top_logprobs: null,
  repeat_penalty: null,
  response_format: null,
};

/** How an answer ended for its client. */
interface Told {
  status: number;
  id?: string | undefined;
  /** of the error's body, or of the stream's last event */
  code?: string | undefined;
  done?: boolean;
}

class Clients {
  readonly told: Told[] = [];
  readonly url: string;
  #over = false;
  #loops: Promise<void>[] = [];

  constructor(url: string) {
    this.url = url;
  }
  begin(count: number): void {
    for (let i = 0; i < count; i++) this.#loops.push(this.#loop(i));
  }
  async #loop(i: number): Promise<void> {
    for (let round = 0; !this.#over; round++) {
      const stream = (i + round) % 3 > 0;
      const told = await this.ask({ max_tokens: 8 + i, stream, steering: `pish=${(i - 2) / 4}` });
      if (told.status !== 200) await sleep(50);
    }
  }
  async ask(body: object, onFirst?: () => void): Promise<Told> {
    const given = { messages: [{ role: 'user', content: 'PaN' }], ignore_eos: true, ...body };
    const response = await post(`${this.url}/v1/chat/completions`, JSON.stringify(given));
    let text = '';
    let begun = false;
    for await (const part of response.body!.pipeThrough(new TextDecoderStream())) {
      text += part;
      if (begun || !text.includes('"tokens":[')) continue;
      begun = true;
      onFirst?.();
    }
    const documents = text.startsWith('data: ')
      ? text.split('\n\n').flatMap((event) => (event.startsWith('data: {') ? [event.slice(6)] : []))
      : [text];
    const first = JSON.parse(documents[0]!) as { id?: string };
    const last = JSON.parse(documents.at(-1)!) as { error?: { code: string } };
    const done = last.error === undefined && (text.endsWith('[DONE]\n\n') || !text.startsWith('data: '));
    const told = { status: response.status, id: first.id, code: last.error?.code, done };
    this.told.push(told);
    return told;
  }
  async end(): Promise<void> {
    this.#over = true;
    await Promise.all(this.#loops);
  }
}

function post(url: string, body: string | Uint8Array<ArrayBuffer>): Promise<Response> {
  const signal = AbortSignal.timeout(HANGS);
  return fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body, signal });
}

async function neverAnswers(): Promise<{ url: string; asked: () => number; server: Server }> {
  let requests = 0;
  const server = createServer(() => requests++);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/alarm`, asked: () => requests, server };
}

function engineOf({ pid }: ChildProcess): number | undefined {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return children === '' ? undefined : Number(children.split(' ')[0]);
}

async function limitFiles({ pid }: ChildProcess, bytes: string): Promise<void> {
  const [code] = (await once(
    spawn('prlimit', ['--pid', String(pid), `--fsize=${bytes}:unlimited`]),
    'exit',
  )) as [number];
  expect(code).toBe(0);
}

/** Sum of a counter over its labels, of Prometheus' text. */
function counted(metrics: string, name: string): number {
  const lines = metrics
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
}

// prlimit and /proc are Linux's
test.runIf(process.platform === 'linux')(
  'engine killed ten times, disk full, webhook hanging, clock jumping, bodies malformed: no hang, every failure has its reason, every answer is remembered',
  async () => {
    const cwd = folder();
    mkdirSync(join(cwd, 'home'));
    const clock = join(cwd, 'clock.json');
    const database = join(cwd, 'events.sqlite');
    const webhook = await neverAnswers();
    writeFileSync(
      join(cwd, 'persona.yaml'),
      `vectors: { pish: ${JSON.stringify(join(home.folder, 'vectors/pish.gguf'))} }
defaults: { policy: alarmed, monitor: [pish] }
policies:
  alarmed: { rules: [{ name: any, when: "pish > -1000", do: [log, { webhook: "${webhook.url}" }] }] }
`,
    );
    const child = spawn(
      process.execPath,
      [
        '--import',
        fileURLToPath(new URL('../support/jumping-clock.ts', import.meta.url)),
        PERSONA,
        'serve',
        '--model',
        home.model,
        '--config',
        'persona.yaml',
        '--events',
        database,
        ...'--threads 1 --parallel 4 --context 256 --port 0 --json --webhook-host 127.0.0.1'.split(' '),
      ],
      { cwd, env: { ...process.env, PERSONA_HOME: join(cwd, 'home'), JUMPING_CLOCK: clock } },
    );
    onTestFinished(() => void child.kill('SIGKILL')); // also one that failed leaves nothing behind
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
    const [line] = (await once(child.stdout.setEncoding('utf8'), 'data')) as [string];
    const { url } = JSON.parse(line) as { url: string };
    const jump = (wall: number, steady: number): void => {
      writeFileSync(clock, JSON.stringify({ wall, steady }));
      child.kill('SIGUSR2');
    };
    const clients = new Clients(url);
    clients.begin(5);
    await vi.waitFor(() => expect(webhook.asked()).toBeGreaterThan(0), HANGS);

    // the disk is full from here on
    await limitFiles(child, '1');
    await vi.waitFor(() => expect(said).toContain('wait in memory'), HANGS);

    // ten deaths in the middle of a stream; after three the breaker has each client wait, which the clock shortens
    let steady = 0;
    for (let kill = 0; kill < KILLS; kill++) {
      for (;;) {
        const told = await clients.ask({ max_tokens: 200, stream: true }, () => {
          const pid = engineOf(child);
          if (pid !== undefined) process.kill(pid, 'SIGKILL');
        });
        if (told.status === 200) {
          expect(told).toMatchObject({ code: 'engine_crashed', done: false });
          break;
        }
        expect(told).toMatchObject({ status: 503, code: 'engine_crashed' });
        // to another hour, and to another day
        jump((kill % 2 === 0 ? 1 : -1) * kill * DAY, (steady += REST));
        await sleep(20);
      }
    }
    jump(-2 * DAY, (steady += REST));
    await vi.waitFor(async () => expect((await clients.ask({ max_tokens: 4 })).status).toBe(200), HANGS);

    // bodies that fit what the server says of itself, such as fit it nearly, and such as are nothing
    const described = (await (await fetch(`${url}/openapi.json`)).json()) as {
      components: { schemas: Record<string, Schema> };
    };
    const { schemas } = described.components;
    const statuses = new Map<number, number>();
    const bodyOf = (name: string): fc.Arbitrary<string> => {
      const fitting = valuesOf(schemas[name]!, schemas);
      const servable = fitting.map((value) => ({ ...(value as object), ...SERVABLE }));
      return fc
        .oneof(servable, fitting, brokenOf(servable), brokenOf(fitting))
        .map((value) => JSON.stringify(value) ?? '');
    };
    const bodies = fc.oneof(
      { arbitrary: fc.tuple(fc.constant('/v1/chat/completions'), bodyOf('ChatRequest')), weight: 5 },
      { arbitrary: fc.tuple(fc.constant('/v1/completions'), bodyOf('CompletionRequest')), weight: 5 },
      {
        arbitrary: fc.tuple(
          fc.constant('/v1/completions'),
          fc.uint8Array({ maxLength: 40 }).map((bytes) => new Uint8Array(bytes)),
        ),
        weight: 1,
      },
    );
    await fc.assert(
      fc.asyncProperty(bodies, async ([path, body]) => {
        const response = await post(url + path, body);
        const text = await response.text();
        statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1);
        if (response.status === 200) return;
        const { error } = JSON.parse(text) as { error: { message: string; code: string } };
        expect([400, 404, 429, 503]).toContain(response.status);
        expect(error.message).not.toBe('');
        expect(error.code).not.toBe('internal_error');
      }),
      { numRuns: 300, seed: 5, endOnFailure: true },
    );
    expect(statuses.get(200)).toBeGreaterThan(10); // else nothing but refusals was tried
    expect(statuses.get(400)).toBeGreaterThan(50);

    await limitFiles(child, 'unlimited');
    await clients.end();
    await vi.waitFor(() => expect(said).toContain('events are written again'), 2 * HANGS);

    const metrics = await (await fetch(`${url}/metrics`)).text();
    expect(counted(metrics, 'persona_events_lost_total')).toBe(0);
    expect(counted(metrics, 'persona_engine_restarts_total')).toBe(KILLS);
    child.kill('SIGTERM');
    expect((await once(child, 'close'))[0]).toBe(0);
    expect(said).not.toContain('lost');
    expect(webhook.asked()).toBeLessThan(20); // it hung all the time
    webhook.server.close().closeAllConnections();

    const unexplained = clients.told.filter(
      ({ status, code, done }) =>
        !(status === 200 && done) && code !== 'engine_crashed' && code !== 'queue_full',
    );
    expect(unexplained).toEqual([]);
    using events = new DatabaseSync(database, { readOnly: true });
    const rows = events.prepare("SELECT json ->> 'id' AS id FROM events").all() as { id: string }[];
    expect(rows).toHaveLength(counted(metrics, 'persona_answers_total'));
    const kept = new Set(rows.map(({ id }) => id.slice(0, id.lastIndexOf('/'))));
    const answered = clients.told.flatMap(({ id }) => id ?? []);
    expect(answered.length).toBeGreaterThan(100);
    expect(answered.filter((id) => !kept.has(id))).toEqual([]);
  },
  240_000,
);
