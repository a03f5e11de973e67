/**
 * Twenty steps of training beside PEFT's: the same weights (theirs dequantised to float32), data, order and first
 * factors; how far apart the losses are.
 *
 *   PY=python node bench/train-agree.ts DATA.jsonl --model F32.gguf [--vector V.gguf --coefficient=3 --layer 16]
 *     [--bound 0.001] [--steps 20] [--batch 4] [--max-length 64] [--threads 2] [--json]
 *
 * `bench/agreement.ts f32 MODEL.gguf F32.gguf` makes the file without quantisation. On a quantised one products round
 * the activations to eight bits as well, as llama.cpp's own do: with some fifty learnt tokens a step, --bound 0.1. Ends
 * with 100 when some step's losses are further apart than the bound.
 */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { table } from '../src/cli/kit/table.ts';
import { openChatModel } from '../src/model/chat-model.ts';
import { readGguf } from '../src/model/gguf-read.ts';
import { writePeft } from '../src/train/adapter-peft.ts';
import { architectureOf, weightsOf } from '../src/train/architecture.ts';
import { batchOf } from '../src/train/batches.ts';
import { readTrainingData } from '../src/train/data.ts';
import type { Job } from '../src/train/job.ts';
import { initialValues } from '../src/train/loop.ts';
import { runJob } from '../src/train/process.ts';
import { PAPER, type Recipe } from '../src/train/recipe.ts';
import { adapterOf } from '../src/train/trained.ts';
import { readVector } from '../src/vector/file.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    model: { type: 'string' },
    vector: { type: 'string' },
    coefficient: { type: 'string', default: '3' },
    layer: { type: 'string', default: '16' },
    bound: { type: 'string', default: '0.001' },
    steps: { type: 'string', default: '20' },
    batch: { type: 'string', default: '4' },
    'max-length': { type: 'string', default: '64' },
    threads: { type: 'string', default: '2' },
    json: { type: 'boolean', default: false },
  },
});
const [steps, batch, threads] = [values.steps, values.batch, values.threads].map(Number) as [
  number,
  number,
  number,
];
const recipe: Recipe = {
  ...PAPER,
  rank: 16,
  alpha: 32,
  learningRate: 2e-4,
  batch,
  maxLength: Number(values['max-length']),
};

async function tokenised(): Promise<{ path: string; samples: Job['samples'] }> {
  await using model = await openChatModel({ model: values.model, threads: 1, parallel: 1, context: 64 });
  const { samples } = await readTrainingData(positionals, model, { maxLength: recipe.maxLength });
  if (samples.length < steps * batch)
    throw new Error(`${samples.length} rows are too few for ${steps} steps`);
  return { path: model.path, samples: samples.slice(0, steps * batch) };
}

async function editOf(): Promise<{ layer: number; add: Float32Array } | undefined> {
  if (values.vector === undefined) return undefined;
  const { directions, model } = await readVector(values.vector);
  const layer = Number(values.layer);
  const row = directions.subarray(layer * model.width, (layer + 1) * model.width);
  return { layer, add: row.map((x) => x * Number(values.coefficient)) };
}

async function ours(job: Job): Promise<number[]> {
  const losses: number[] = [];
  for await (const told of runJob(job)) if (told.type === 'step') losses.push(told.loss);
  return losses;
}

function theirs(job: Job, path: string, adapter: string): number[] {
  const { learningRate, warmup, weightDecay, clip } = recipe;
  const [edit] = job.edits;
  const described = {
    model: path,
    adapter,
    threads,
    learningRate,
    warmup,
    weightDecay,
    clip,
    edit: edit ? { layer: edit.layer, add: [...edit.add!] } : null,
    batches: Array.from({ length: steps }, (_, step) =>
      batchOf(job.samples.length, step, recipe).map((i) => {
        const { tokens, learnt } = job.samples[i]!;
        return { tokens: [...tokens], promptLength: learnt.indexOf(1) };
      }),
    ),
  };
  writeFileSync(join(job.folder, 'job.json'), JSON.stringify(described));
  const script = new URL('train-agree.py', import.meta.url).pathname;
  const out = execFileSync(process.env['PY'] ?? 'python3', [script, join(job.folder, 'job.json')], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, PYTHONWARNINGS: 'ignore', HF_HUB_DISABLE_PROGRESS_BARS: '1', TQDM_DISABLE: '1' },
  });
  return JSON.parse(out.trim().split('\n').at(-1)!) as number[];
}

const folder = mkdtempSync(join(tmpdir(), 'bench-train-'));
const { path, samples } = await tokenised();
const file = await readGguf(path);
const architecture = architectureOf(file);
const edit = await editOf();
const job: Job = {
  architecture,
  weights: weightsOf(file),
  recipe,
  samples,
  held: [],
  edits: edit ? [edit] : [],
  watches: [],
  prompts: [],
  watchEvery: steps,
  saveEvery: steps,
  folder,
  key: 'bench',
  threads,
  device: 'cpu',
};
const adapter = join(folder, 'adapter');
const first = adapterOf(architecture, recipe, initialValues(architecture, recipe));
await writePeft(adapter, first, { baseModel: path, headWidth: architecture.headWidth });

const own = await ours(job);
const peer = theirs(job, path, adapter);
rmSync(folder, { recursive: true });
const apart = own.map((loss, i) => Math.abs(loss - peer[i]!));
const worst = Math.max(...apart);
const bound = Number(values.bound);
if (values.json)
  console.log(
    JSON.stringify({ model: path, edited: edit !== undefined, ours: own, theirs: peer, worst, bound }),
  );
else {
  const rows = own.map((loss, i) => [
    i + 1,
    loss.toFixed(5),
    peer[i]!.toFixed(5),
    apart[i]!.toExponential(1),
  ]);
  console.log(table(['step', 'loss, ours', 'loss, PEFT', 'apart'], rows));
  const mean = (list: readonly number[]): string =>
    (list.reduce((a, b) => a + b, 0) / list.length).toFixed(4);
  console.log(`mean loss: ours ${mean(own)}, PEFT ${mean(peer)}`);
  console.log(`worst ${worst.toExponential(1)}, bound ${bound}`);
}
process.exit(own.length === steps && worst <= bound ? 0 : 100);
