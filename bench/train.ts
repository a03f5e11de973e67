/**
 * Steps of LoRA training with a vector in the stream, beside PEFT's on the same weights (theirs in float32): tokens a
 * second, and the memory of all processes together, measured in turn.
 *
 *   PY=python node bench/train.ts [--model M.gguf] [--shapes 1x256,4x256] [--rank 32] [--steps 3] [--repeats 3]
 *     [--threads 2] [--json]
 *
 * Before the steps that count each side does one more. All tokens are learnt. Ends with 100 when a goal is missed:
 * 1× the rate, 0.5× the memory.
 */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { bytes } from '../src/cli/kit/text.ts';
import { table } from '../src/cli/kit/table.ts';
import { pairedRatio } from '../src/math/paired-ratio.ts';
import { random } from '../src/math/random.ts';
import { readGguf } from '../src/model/gguf-read.ts';
import { resolveModel } from '../src/model/pull.ts';
import { architectureOf, weightsOf } from '../src/train/architecture.ts';
import type { Job } from '../src/train/job.ts';
import { runJob } from '../src/train/process.ts';
import { PAPER, type Recipe } from '../src/train/recipe.ts';

const GOALS = { rate: 1, memory: 0.5 };
/** Half a model: where vectors are added. */
const HALF = 2;
/** Length of the added vector; it costs the same whatever it is. */
const LENGTH = 2;

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    shapes: { type: 'string', default: '1x256,4x256' },
    rank: { type: 'string', default: '32' },
    steps: { type: 'string', default: '3' },
    repeats: { type: 'string', default: '3' },
    threads: { type: 'string', default: '2' },
    json: { type: 'boolean', default: false },
  },
});
const python = process.env['PY'] ?? 'python3';
const script = new URL('train_peft.py', import.meta.url).pathname;
const [rank, steps, repeats, threads] = [values.rank, values.steps, values.repeats, values.threads].map(
  Number,
) as [number, number, number, number];

interface Measured {
  /** tokens a second */
  rate: number;
  /** bytes, at most */
  memory: number;
}

const folder = mkdtempSync(join(tmpdir(), 'bench-train-'));
const { path } = await resolveModel(values.model, {});
const file = await readGguf(path);
const architecture = architectureOf(file);
const layer = Math.floor(architecture.layers / HALF) + 1;
const draw = random(0);
const add = Float32Array.from({ length: architecture.width }, () => draw.normal());
const length = Math.hypot(...add);
add.forEach((x, i) => (add[i] = (LENGTH * x) / length));

/** One step more than counts. */
function rowsOf(batch: number, tokens: number): number[][][] {
  const row = (): number[] => Array.from({ length: tokens }, () => draw.below(architecture.vocabulary));
  return Array.from({ length: steps + 1 }, () => Array.from({ length: batch }, row));
}

async function ours(batches: number[][][]): Promise<Measured> {
  const recipe: Recipe = { ...PAPER, rank, alpha: 2 * rank, batch: batches[0]!.length, warmup: 0 };
  const samples = batches.flat().map((tokens, i) => ({
    place: `row ${i}`,
    tokens: Int32Array.from(tokens),
    learnt: new Uint8Array(tokens.length).fill(1),
  }));
  const job: Job = {
    architecture,
    weights: weightsOf(file),
    recipe,
    samples,
    held: [],
    edits: [{ layer, add }],
    watches: [],
    prompts: [],
    watchEvery: steps + 1,
    saveEvery: steps + 1,
    folder: mkdtempSync(join(folder, 'run-')),
    key: 'bench',
    threads,
    device: 'cpu',
  };
  let [tokens, seconds, memory] = [0, 0, 0];
  for await (const told of runJob(job)) {
    if (told.type === 'step' && told.step > 1) {
      tokens += told.tokens;
      seconds += told.seconds;
    }
    if (told.type === 'done') memory = told.residentBytes;
  }
  // the process that asks for it belongs to it
  return { rate: tokens / seconds, memory: memory + process.memoryUsage.rss() };
}

function theirs(model: string, batches: number[][][]): Measured {
  const job = {
    model,
    threads,
    rank,
    alpha: 2 * rank,
    learningRate: PAPER.learningRate,
    layer,
    add: [...add],
    batches,
  };
  writeFileSync(join(folder, 'job.json'), JSON.stringify(job));
  const out = execFileSync(python, [script, 'time', join(folder, 'job.json')], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const { seconds, peak } = JSON.parse(out.trim().split('\n').at(-1)!) as { seconds: number[]; peak: number };
  const counted = batches.slice(1).flat(2).length;
  return { rate: counted / seconds.slice(1).reduce((a, b) => a + b), memory: peak };
}

const middle = (list: readonly number[]): number =>
  list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)]!;

const plain = join(folder, 'float32');
execFileSync(python, [script, 'convert', path, plain], { stdio: ['ignore', 'ignore', 'pipe'] });
let missed = false;
const rows: (string | number)[][] = [];
const figures: object[] = [];
for (const shape of values.shapes.split(',')) {
  const [batch, tokens] = shape.split('x').map(Number) as [number, number];
  const [own, peer]: [Measured[], Measured[]] = [[], []];
  for (let k = 0; k < repeats; k++) {
    const batches = rowsOf(batch, tokens);
    own.push(await ours(batches));
    peer.push(theirs(plain, batches));
    const [a, b] = [own.at(-1)!, peer.at(-1)!];
    process.stderr.write(`${shape}: ours ${a.rate.toFixed(0)} tokens/s, PEFT ${b.rate.toFixed(0)}\n`);
  }
  const column = (list: readonly Measured[], key: keyof Measured): number[] => list.map((one) => one[key]);
  const rate = pairedRatio(column(own, 'rate'), column(peer, 'rate'));
  const memory = middle(column(own, 'memory')) / middle(column(peer, 'memory'));
  if (rate.median < GOALS.rate || memory > GOALS.memory) missed = true;
  rows.push([
    `${batch} × ${tokens}`,
    middle(column(own, 'rate')).toFixed(0),
    middle(column(peer, 'rate')).toFixed(0),
    `${rate.median.toFixed(2)}× (${rate.low.toFixed(2)}–${rate.high.toFixed(2)})`,
    bytes(middle(column(own, 'memory'))),
    bytes(middle(column(peer, 'memory'))),
    `${memory.toFixed(2)}×`,
  ]);
  figures.push({ batch, tokens, ours: own, theirs: peer, rate, memory, goals: GOALS });
}
rmSync(folder, { recursive: true });
if (values.json) console.log(JSON.stringify(figures, null, 2));
else
  console.log(
    table(
      ['batch', 'tokens/s, ours', 'PEFT', 'ratio (goal 1×)', 'memory, ours', 'PEFT', 'ratio (goal 0.5×)'],
      rows,
    ),
  );
process.exit(missed ? 100 : 0);
