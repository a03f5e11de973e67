/**
 * How fast screening is, side by side in one run: `prompt` at the middle layer against a full llama.cpp prefill of the
 * same rows (the plain loop over the same library) and against transformers, which ends after the same block and has its
 * rows sorted by length; and `difference` against transformers answering greedily and reading.
 *
 *   PY=python node bench/screen-speed.ts VECTOR.gguf [--model M] [--peer-model M.gguf] [--layer b] [--threads 2]
 *     [--rows 64] [--max-tokens 64] [--batch 8] [--repeats 3] [--only prompt|difference] [--json]
 *
 * Rows are questions of the shipped traits, no two alike, with answers of 16 to 240 words put together from others. Ends
 * with 100 when a goal is missed.
 */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { table } from '../src/cli/kit/table.ts';
import { openBareLoop } from '../src/engine/bare-loop.ts';
import { pairedRatio } from '../src/math/paired-ratio.ts';
import { random } from '../src/math/random.ts';
import { quantile } from '../src/math/statistics.ts';
import { type ChatModel, openChatModel } from '../src/model/chat-model.ts';
import { resolveWatches } from '../src/monitor/watch.ts';
import type { Method } from '../src/screen/measure.ts';
import { screen } from '../src/screen/screen.ts';
import { listTraits, loadTrait } from '../src/trait/load.ts';
import { vectorFinder } from '../src/vector/find.ts';

/** Of the share of blocks that are computed. */
const PREFILL_GOAL = 0.95;
const PEER_GOALS = { prompt: 1.1, difference: 3 };
/** Of transformers' memory, with `prompt`. */
const MEMORY_GOAL = 0.25;
/** As `persona screen` has it for reading; and for writing answers, in as much room as its 8 texts of 2048 tokens. */
const READING = 1;
const PARALLEL = 16;
const CONTEXT = 1024;
const [LEAST_WORDS, MOST_WORDS] = [16, 240];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    model: { type: 'string' },
    'peer-model': { type: 'string' },
    layer: { type: 'string' },
    threads: { type: 'string', default: '2' },
    rows: { type: 'string', default: '64' },
    'max-tokens': { type: 'string', default: '64' },
    batch: { type: 'string', default: '8' },
    repeats: { type: 'string', default: '3' },
    only: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const [vector] = positionals;
if (vector === undefined) throw new Error('the first lines of bench/screen-speed.ts say what it takes');
const maxTokens = Number(values['max-tokens']);
const threads = Number(values.threads);
const open = (parallel: number): Promise<ChatModel> =>
  openChatModel({ model: values.model, threads, parallel, context: CONTEXT });

async function makeRows(count: number): Promise<{ question: string; answer: string }[]> {
  const questions: string[] = [];
  for (const name of await listTraits()) {
    const trait = await loadTrait(name);
    questions.push(...trait.questions, ...trait.evaluation);
  }
  const source = random(0);
  const words = questions.join(' ').split(' ');
  return Array.from({ length: count }, () => {
    const [question] = questions.splice(source.below(questions.length), 1);
    const length = LEAST_WORDS + source.below(MOST_WORDS - LEAST_WORDS);
    const from = source.below(words.length - length);
    return { question: question!, answer: words.slice(from, from + length).join(' ') };
  });
}

const folder = mkdtempSync(join(tmpdir(), 'screen-speed-'));
const rows = await makeRows(Number(values.rows));
const data = join(folder, 'rows.jsonl');
const rendered = join(folder, 'rendered.jsonl');
const lines = (list: readonly object[]): string => list.map((row) => `${JSON.stringify(row)}\n`).join('');
writeFileSync(data, lines(rows));
const about = await (async () => {
  await using model = await open(1);
  const prompts = rows.map(({ question }) => model.render([{ role: 'user', content: question }]));
  const tokens: number[][] = [];
  for (const [i, { answer }] of rows.entries())
    tokens.push([
      ...(await model.engine.tokenize(prompts[i]!, true)),
      ...(await model.engine.tokenize(answer, false)),
    ]);
  writeFileSync(rendered, lines(rows.map(({ answer }, i) => ({ prompt: prompts[i]!, answer }))));
  return { path: model.path, layers: model.engine.info.layers, tokens };
})();
const total = about.tokens.reduce((sum, row) => sum + row.length, 0);
const layer = values.layer === undefined ? Math.floor(about.layers / 2) - 1 : Number(values.layer);

interface Measured {
  seconds: number;
  /** MiB, at most while it worked: of this process and its engine together */
  memory: number;
}

/** `sharing: false` reads the same rows by the engine alone, each from its first token. */
async function ours(method: Method, sharing = true): Promise<Measured> {
  await using model = await open(method === 'prompt' ? READING : PARALLEL);
  const { watches } = await resolveWatches([{ vector: vector!, layer }], vectorFinder(), model.identity);
  const begun = performance.now();
  if (sharing) for await (const _ of screen(model, data, { watches, method, maxTokens }));
  else
    await Promise.all(
      about.tokens.map((prompt) =>
        model.engine.run({
          prompt,
          sharePrefix: false,
          means: { layers: [layer], kinds: ['prompt_avg', 'prompt_last'] },
        }),
      ),
    );
  const seconds = (performance.now() - begun) / 1000;
  return { seconds, memory: peak('self') + children().reduce((sum, pid) => sum + peak(pid), 0) };
}

/** What host and engine share (the runtime's own code) counts once: each has its proportional part. */
function peak(pid: string): number {
  const of = (file: string, field: string): number =>
    Number(
      new RegExp(`^${field}:\\s*(\\d+) kB$`, 'm').exec(readFileSync(`/proc/${pid}/${file}`, 'utf8'))![1],
    );
  const shared = of('smaps_rollup', 'Rss') - of('smaps_rollup', 'Pss');
  return (of('status', 'VmHWM') - shared) / 1024;
}

function children(): string[] {
  return readdirSync('/proc/self/task').flatMap((task) =>
    readFileSync(`/proc/self/task/${task}/children`, 'utf8').split(' ').filter(Boolean),
  );
}

function theirs(method: 'prompt' | 'difference'): Measured {
  const script = new URL('screen-speed.py', import.meta.url).pathname;
  const batch = method === 'prompt' ? values.batch : String(2 * Number(values.batch));
  const out = execFileSync(
    process.env['PY'] ?? 'python3',
    [
      script,
      values['peer-model'] ?? about.path,
      rendered,
      String(layer),
      values.threads,
      batch,
      method === 'prompt' ? '0' : String(maxTokens),
    ],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
  );
  return JSON.parse(out) as Measured;
}

/** A full prefill of every row, in groups that fit the context. */
async function bare(): Promise<Measured> {
  await using loop = await openBareLoop({
    modelPath: about.path,
    threads,
    parallel: PARALLEL,
    context: CONTEXT,
  });
  const begun = performance.now();
  for (let at = 0; at < about.tokens.length; at += PARALLEL)
    await loop.decode(about.tokens.slice(at, at + PARALLEL), 1);
  return { seconds: (performance.now() - begun) / 1000, memory: 0 };
}

const share = about.layers / (layer + 1);
const sides = {
  bare: [] as Measured[],
  prompt: [] as Measured[],
  alone: [] as Measured[],
  peerPrompt: [] as Measured[],
  difference: [] as Measured[],
  peerDifference: [] as Measured[],
};
for (let k = 0; k < Number(values.repeats); k++) {
  if (values.only !== 'difference') {
    sides.bare.push(await bare());
    sides.prompt.push(await ours('prompt'));
    sides.alone.push(await ours('prompt', false));
    sides.peerPrompt.push(theirs('prompt'));
  }
  if (values.only !== 'prompt') {
    sides.difference.push(await ours('difference'));
    sides.peerDifference.push(theirs('difference'));
  }
  const told = Object.entries(sides).filter(([, list]) => list.length > k);
  process.stderr.write(
    `${told.map(([name, list]) => `${name} ${list[k]!.seconds.toFixed(1)} s`).join(', ')}\n`,
  );
}
rmSync(folder, { recursive: true });

interface Line {
  what: string;
  against: string;
  unit: string;
  units: number;
  own: Measured[];
  peer: Measured[];
  goal?: number;
}
const [early, tokens] = [`\`prompt\` at block ${layer} of ${about.layers}`, 'tokens/s'];
const prefill = { against: 'a full llama.cpp prefill', unit: tokens, units: total, peer: sides.bare };
const compared: Line[] = [
  { what: early, ...prefill, own: sides.prompt, goal: PREFILL_GOAL * share },
  { what: `${early}, nothing shared`, ...prefill, own: sides.alone },
  {
    what: early,
    against: 'transformers, ending there, sorted',
    unit: tokens,
    units: total,
    own: sides.prompt,
    peer: sides.peerPrompt,
    goal: PEER_GOALS.prompt,
  },
  {
    what: '`difference`',
    against: 'transformers, answering and reading',
    unit: 'rows/s',
    units: rows.length,
    own: sides.difference,
    peer: sides.peerDifference,
    goal: PEER_GOALS.difference,
  },
].filter(({ own }) => own.length > 0);

let missed = false;
const median = (list: readonly number[]): number => quantile(list, 0.5);
const figures = compared.map(({ what, against, unit, units, own, peer, goal }) => {
  const rate = (list: readonly Measured[]): number[] => list.map(({ seconds }) => units / seconds);
  const ratio = pairedRatio(rate(own), rate(peer));
  if (goal !== undefined && ratio.median < goal) missed = true;
  return { what, against, unit, own: rate(own), peer: rate(peer), ratio, goal: goal ?? null };
});
const memory = (list: readonly Measured[]): number => median(list.map((one) => one.memory));
if (sides.prompt.length > 0 && memory(sides.prompt) > MEMORY_GOAL * memory(sides.peerPrompt)) missed = true;

if (values.json)
  console.log(JSON.stringify({ layer, rows: rows.length, tokens: total, figures, sides }, null, 2));
else {
  console.log(
    table(
      ['what', 'against', 'unit', 'ours', 'theirs', 'ratio', 'goal'],
      figures.map(({ what, against, unit, own, peer, ratio, goal }) => [
        what,
        against,
        unit,
        median(own).toFixed(unit === tokens ? 0 : 2),
        median(peer).toFixed(unit === tokens ? 0 : 2),
        `${ratio.median.toFixed(2)}× [${ratio.low.toFixed(2)}, ${ratio.high.toFixed(2)}]`,
        goal === null ? '' : `${goal.toFixed(2)}×`,
      ]),
    ),
  );
  for (const [name, own, peer] of [
    ['prompt', sides.prompt, sides.peerPrompt],
    ['difference', sides.difference, sides.peerDifference],
  ] as const)
    if (own.length > 0)
      console.log(
        `memory at most, ${name}: ours ${memory(own).toFixed(0)} MiB (host and engine), transformers ${memory(peer).toFixed(0)} MiB: ${(memory(own) / memory(peer)).toFixed(2)}×`,
      );
}
process.exit(missed ? 100 : 0);
