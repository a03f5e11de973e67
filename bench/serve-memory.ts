/**
 * Does the server leak? Many thousand short answers, in four ways of asking, and after each of several rounds what is
 * alive on the heap of the server's process behind a full collection, and how large the process is.
 *
 *   node bench/serve-memory.ts [--requests 24000] [--clients 24]
 *
 * Serves the tiny model of the tests under a policy, with everything recorded. Ends with 100 when more is alive after
 * the last round than after the first one of the same kind, by MARGIN.
 */

import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { Agent, type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { startServer, tinyFolder } from './start-server.ts';

const { values } = parseArgs({
  options: { requests: { type: 'string', default: '24000' }, clients: { type: 'string', default: '24' } },
});
/** MiB: caches that fill (conversations, labels, compiled code) come to less. */
const MARGIN = 8;
const ROUNDS = 3;
/** Streams, distinct conversations, streams that the client leaves after their first bytes, whole documents. */
const WAYS = ['streamed', 'distinct', 'left', 'whole'] as const;
type Way = (typeof WAYS)[number];

const folder = await tinyFolder();
writeFileSync(
  join(folder.path, 'persona.yaml'),
  `vectors: { trait: ${JSON.stringify(folder.vector)} }
defaults: { policy: capped, monitor: [trait] }
policies:
  capped: { always: ["trait=6sd:cap"], rules: [{ name: high, when: "trait > 4sd over 4 tokens", do: [header] }] }
`,
);
const report = join(folder.path, 'memory.jsonl');
const probe = join(folder.path, 'probe.mjs');
writeFileSync(report, '');
writeFileSync(
  probe,
  `import { appendFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';
if (isMainThread) process.on('SIGUSR2', () => {
  gc(); gc(); // what only finalizers held is gone with the second
  appendFileSync(${JSON.stringify(report)}, JSON.stringify(process.memoryUsage()) + '\\n');
});`,
);
await using server = await startServer(
  folder,
  [...folder.tiny, ...'--config persona.yaml --events e.sqlite --parallel 8 --context 256'.split(' ')],
  ['--expose-gc', '--import', probe],
);
const agent = new Agent({ keepAlive: true });

async function ask(way: Way, i: number): Promise<void> {
  const body = {
    messages: [{ role: 'user', content: way === 'distinct' ? `q ${i} of many` : `q ${i % 32}` }],
    max_tokens: 8,
    temperature: 0,
    ignore_eos: true,
    stream: way !== 'whole',
    steering: `trait=${(i % 8) / 4 - 1}`,
  };
  const sent = request(`${server.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    agent,
  });
  sent.on('error', () => {}); // of those that are left
  sent.end(JSON.stringify(body));
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  if (response.statusCode !== 200) throw new Error(`the server answered ${response.statusCode}`);
  if (way === 'left') {
    await once(response, 'data');
    response.destroy();
    return;
  }
  response.resume();
  await once(response, 'end');
}

async function memory(): Promise<{ alive: number; process: number }> {
  await sleep(1000); // what is under way ends, events are written
  const before = readFileSync(report, 'utf8').length;
  server.child.kill('SIGUSR2');
  while (readFileSync(report, 'utf8').length === before) await sleep(50);
  const last = readFileSync(report, 'utf8').trim().split('\n').at(-1)!;
  const { heapUsed, external, rss } = JSON.parse(last) as NodeJS.MemoryUsage;
  return { alive: (heapUsed + external) / 2 ** 20, process: rss / 2 ** 20 };
}

const each = Math.ceil(Number(values.requests) / WAYS.length / ROUNDS);
let leaks = false;
let asked = 0;
for (const way of WAYS) {
  const found: { alive: number; process: number }[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const end = asked + each;
    const client = async (): Promise<void> => {
      while (asked < end) await ask(way, asked++);
    };
    await Promise.all(Array.from({ length: Number(values.clients) }, client));
    found.push(await memory());
  }
  if (found.at(-1)!.alive > found[0]!.alive + MARGIN) leaks = true;
  const list = (of: 'alive' | 'process'): string => found.map((one) => one[of].toFixed(1)).join(' ');
  console.log(`${way}, after each ${each} answers, MiB: alive ${list('alive')}; process ${list('process')}`);
}
agent.destroy();
process.exitCode = leaks ? 100 : 0;
