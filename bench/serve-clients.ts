/**
 * Many streaming clients at once, each with a steering of its own, against `persona serve`: is every answer the one that
 * its request would get alone, and does memory stay flat?
 *
 *   node bench/serve-clients.ts --vector VECTOR.gguf [--model M] [--clients 200] [--seconds 60] [--parallel 16] [--tokens 16]
 *
 * The server runs under a policy that caps, with everything recorded. First each kind of request is answered alone, then
 * all clients ask in a loop. Greedy texts must be equal; where they part, the two likeliest tokens of the solo run must
 * lie within 1e-3 at that place (batches round differently), and projections up to there within 1e-2 of a deviation.
 * Ends with 100 when an answer is wrong, or anything but 200 comes back.
 */

import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import OpenAI from 'openai';

const { values } = parseArgs({
  options: {
    vector: { type: 'string' },
    model: { type: 'string' },
    clients: { type: 'string', default: '200' },
    seconds: { type: 'string', default: '60' },
    parallel: { type: 'string', default: '16' },
    tokens: { type: 'string', default: '16' },
    threads: { type: 'string' },
  },
});
if (values.vector === undefined) throw new Error('name a vector file: --vector');
const clients = Number(values.clients);

const folder = mkdtempSync(join(tmpdir(), 'serve-clients-'));
writeFileSync(
  join(folder, 'persona.yaml'),
  `vectors: { trait: ${JSON.stringify(resolve(values.vector))} }
defaults: { policy: capped, monitor: [trait] }
policies:
  capped: { always: ["trait=6sd:cap"], rules: [{ name: high, when: "trait > 4sd over 4 tokens", do: [log] }] }
`,
);
const server = spawn(
  process.execPath,
  [
    new URL('../src/cli/bin.ts', import.meta.url).pathname,
    'serve', '--config', join(folder, 'persona.yaml'), '--port', '0', '--json', '--quiet',
    '--events', join(folder, 'events.sqlite'), '--parallel', values.parallel, '--context', '512',
    '--queue', String(clients),
    ...(values.model === undefined ? [] : ['--model', values.model]),
    ...(values.threads === undefined ? [] : ['--threads', values.threads]),
  ], // prettier-ignore
  { stdio: ['ignore', 'pipe', 'inherit'] },
);
const { port } = await new Promise<{ port: number }>((done, fail) => {
  server.stdout
    .setEncoding('utf8')
    .once('data', (text: string) => done(JSON.parse(text) as { port: number }));
  server.once('exit', () => fail(new Error('the server ended')));
});
const openai = new OpenAI({
  baseURL: `http://127.0.0.1:${port}/v1`,
  apiKey: 'none',
  maxRetries: 0,
  timeout: 600_000,
});

const model = (await openai.models.list()).data[0]!.id;

const QUESTIONS = [
  'How will my week go?',
  'What does a good day look like?',
  'Tell me of the sea.',
  'Will it rain?',
];
const COEFFICIENTS = [-2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5];

interface Answer {
  tokens: string[];
  z: number[];
  /** log-probability of the likeliest token over the second */
  margin: number[];
}

interface Chunk {
  choices: {
    delta: { content?: string };
    logprobs: { content: { top_logprobs: { logprob: number }[] }[] } | null;
    persona: { tokens?: { text: string; readings: { trait: { z: number } } }[] };
  }[];
}

async function ask(kind: number, logprobs: boolean): Promise<Answer> {
  const stream = await openai.chat.completions.create({
    model,
    messages: [{ role: 'user', content: QUESTIONS[kind % QUESTIONS.length]! }],
    temperature: 0,
    max_tokens: Number(values.tokens),
    stream: true,
    ...(logprobs ? { logprobs: true, top_logprobs: 2 } : {}),
    ...({ steering: kind === 4 ? false : `trait=${COEFFICIENTS[kind % COEFFICIENTS.length]}` } as object),
  });
  const answer: Answer = { tokens: [], z: [], margin: [] };
  for await (const chunk of stream as unknown as AsyncIterable<Chunk>) {
    const choice = chunk.choices[0];
    for (const token of choice?.persona.tokens ?? []) {
      answer.tokens.push(token.text);
      answer.z.push(token.readings.trait.z);
    }
    for (const { top_logprobs: top } of choice?.logprobs?.content ?? [])
      answer.margin.push(top[0]!.logprob - top[1]!.logprob);
  }
  return answer;
}

function memory(): { server: number; engine: number } {
  const of = (pid: number): number =>
    Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024;
  const children = readFileSync(`/proc/${server.pid}/task/${server.pid}/children`, 'utf8').trim().split(' ');
  return { server: of(server.pid!), engine: of(Number(children[0])) };
}

const kinds = QUESTIONS.length * COEFFICIENTS.length;
const solo: Answer[] = [];
for (let kind = 0; kind < kinds; kind++) solo.push(await ask(kind, true));

let [answers, wrong, rounded, failed, tokens] = [0, 0, 0, 0, 0];
const deadline = performance.now() + 1000 * Number(values.seconds);
const rss: { server: number; engine: number }[] = [];
const watch = setInterval(() => rss.push(memory()), 1000);

async function client(index: number): Promise<void> {
  for (let round = 0; performance.now() < deadline; round++) {
    const kind = (index + 7 * round) % kinds;
    const expected = solo[kind]!;
    try {
      const answer = await ask(kind, false);
      answers++;
      tokens += answer.tokens.length;
      const parts = answer.tokens.findIndex((token, i) => token !== expected.tokens[i]);
      const upTo = parts < 0 ? answer.tokens.length : parts;
      if (parts >= 0 || answer.tokens.length !== expected.tokens.length) {
        if (parts >= 0 && expected.margin[parts]! < 1e-3) rounded++;
        else wrong++;
      }
      const off = answer.z.slice(0, upTo).map((z, i) => Math.abs(z - expected.z[i]!));
      if (Math.max(0, ...off) > 1e-2) wrong++;
    } catch (error) {
      failed++;
      console.error(String(error));
    }
  }
}
const begun = performance.now();
await Promise.all(Array.from({ length: clients }, (_, i) => client(i)));
const seconds = (performance.now() - begun) / 1000;
clearInterval(watch);
server.kill('SIGTERM');
await new Promise((done) => server.once('exit', done));
rmSync(folder, { recursive: true });

/** Every tenth second. */
const course = (of: 'server' | 'engine'): string =>
  rss
    .filter((_, i) => i % 10 === 9)
    .map((each) => each[of].toFixed(0))
    .join(' ');
console.log(
  [
    `${clients} streaming clients, ${kinds} kinds of request, ${seconds.toFixed(0)} s: ${answers} answers, ${(tokens / seconds).toFixed(0)} tokens/s`,
    `${wrong} wrong, ${failed} failed, ${rounded} parted from the solo run where its two likeliest tokens are within 1e-3`,
    `memory every 10 s, MiB: server ${course('server')}; engine ${course('engine')}`,
  ].join('\n'),
);
process.exit(wrong + failed > 0 ? 100 : 0);
