/**
 * `persona diff` on a real model, where the answer is known: the model against itself (nothing), against itself steered
 * by c·v (c), and against two LoRA adapters made with PEFT, one drawn at random and one trained (what PyTorch finds on the
 * same weights).
 *
 *   PY=python node bench/diff-agree.ts MODEL.gguf VECTOR.gguf ROWS.jsonl [--against F32.gguf] [--steps 8]
 *     [--questions 20] [--layers 8,13,18] [--keep FOLDER, to go on with]
 *
 * ROWS.jsonl has `question` and `answer`, to train on. Prompts are the evaluation questions of the vector's trait. The
 * PyTorch side takes MODEL.gguf's own weights dequantised, or those of F32.gguf. Ends with 100 where c is missed by more
 * than 2 %, or the shift at the vector's layer by more than 2 %.
 */

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { table } from '../src/cli/kit/table.ts';
import { pearson } from '../src/math/statistics.ts';
import { norm } from '../src/math/vector.ts';
import { watchedLayer } from '../src/monitor/watch.ts';
import { diff, type DiffOptions, type DiffResult } from '../src/screen/diff/diff.ts';
import { traitPrompts } from '../src/screen/diff/prompts.ts';
import { parseSpec } from '../src/steer/spec.ts';
import { loadTrait } from '../src/trait/load.ts';
import { vectorFinder } from '../src/vector/find.ts';
import { direction } from '../src/vector/vector.ts';
import { peftToGguf } from './peft-gguf.ts';

const MOST_OFF = 0.02;
const COEFFICIENTS = [-2, 0.5, 2];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    against: { type: 'string' },
    steps: { type: 'string', default: '8' },
    questions: { type: 'string', default: '20' },
    layers: { type: 'string', default: '8,13,18' },
    keep: { type: 'string' },
  },
});
const [modelPath, vectorPath, rows] = positionals;
if (modelPath === undefined || vectorPath === undefined || rows === undefined)
  throw new Error('the first lines of bench/diff-agree.ts say what it takes');
const peerModel = values.against ?? modelPath;

const folder = values.keep ?? mkdtempSync(join(tmpdir(), 'diff-agree-'));
mkdirSync(folder, { recursive: true });
const find = vectorFinder();
const vector = await find(vectorPath);
const own = watchedLayer({ vector: vectorPath }, vector);
const prompts = traitPrompts([await loadTrait(vector.trait)], Number(values.questions));

async function diffOf(name: string, tuned: string, changes: Partial<DiffOptions> = {}): Promise<DiffResult> {
  const run = join(folder, `run-${name}`);
  const engine = { parallel: 8, context: 512, cacheType: 'f32' } as const;
  const vectors = [{ vector: vectorPath! }];
  const [result] = await Array.fromAsync(
    diff(modelPath!, [tuned], { run, vectors, find, prompts, engine, ...changes }),
  );
  return result!;
}

function python(verb: string, ...rest: string[]): string {
  const script = new URL('diff-agree.py', import.meta.url).pathname;
  return execFileSync(process.env['PY'] ?? 'python3', [script, verb, peerModel, ...rest], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

let missed = false;
const percent = (share: number): string => `${(100 * share).toFixed(3).replace(/^-(0\.0+)$/, '$1')} %`;

// 1) against itself
{
  const { shifts, same } = await diffOf('itself', modelPath);
  const figures = shifts.vectors[0]!.layers;
  const nothing = same && figures.every(({ shift, p }) => shift.mean === 0 && p === 1);
  if (!nothing) missed = true;
  console.log(
    `${modelPath} against itself, ${shifts.prompts} prompts, ${figures.length} layers: ${nothing ? 'every shift is 0, every p is 1' : 'NOT zero'}\n`,
  );
}

// 2) against itself, steered
const steered: string[][] = [];
for (const layer of values.layers.split(',').map(Number))
  for (const c of COEFFICIENTS) {
    const { shifts } = await diffOf(`${c}@${layer}`, modelPath, {
      steer: [parseSpec(`${vectorPath}=${c}@${layer}/all`)],
      vectors: [{ vector: vectorPath, layer }],
    });
    const found = shifts.vectors[0]!.own.shift.mean / norm(direction(vector, layer));
    if (Math.abs(found / c - 1) > MOST_OFF) missed = true;
    steered.push([String(layer), String(c), found.toFixed(4), percent(found / c - 1)]);
  }
console.log(`${table(['layer', 'c', 'found', 'off by'], steered)}\n`);

// 3) against adapters
const adapters = join(folder, 'peft');
if (!existsSync(join(adapters, 'trained', 'adapter_model.safetensors')))
  python('make', rows, adapters, values.steps);
const [questionsPath, vectorsPath] = [join(folder, 'questions.json'), join(folder, 'vectors.f32')];
writeFileSync(questionsPath, JSON.stringify(prompts.map(({ question }) => question)));
writeFileSync(vectorsPath, vector.directions);
const compared: string[][] = [];
for (const name of ['random', 'trained']) {
  const path = join(folder, `${name}.gguf`);
  await peftToGguf(join(adapters, name), modelPath, path);
  const { shifts } = await diffOf(name, path);
  const peerPath = join(folder, `peer-${name}.json`);
  if (!existsSync(peerPath))
    writeFileSync(peerPath, python('shift', questionsPath, vectorsPath, join(adapters, name)));
  const peer = JSON.parse(readFileSync(peerPath, 'utf8')) as Record<'shift' | 'spread' | 'norm', number[]>;
  const { layers } = shifts.vectors[0]!;
  const ours = layers.map(({ shift }) => shift.mean);
  const theirs = layers.map(({ layer }) => peer.shift[layer]!);
  const at = layers.findIndex(({ layer }) => layer === own);
  const off = ours[at]! / theirs[at]! - 1;
  if (Math.abs(off) > MOST_OFF) missed = true;
  const worst = Math.max(
    ...layers.map(({ layer }, i) => Math.abs(ours[i]! - theirs[i]!) / peer.spread[layer]!),
  );
  compared.push([
    name,
    ours[at]!.toFixed(4),
    theirs[at]!.toFixed(4),
    percent(off),
    (ours[at]! / layers[at]!.spread).toFixed(2),
    percent(worst),
    pearson(ours, theirs).toFixed(6),
    percent(shifts.layers[at]!.norm / peer.norm[own]! - 1),
  ]);
}
console.log(
  table(
    [
      'adapter',
      `shift at layer ${own}`,
      'PyTorch',
      'off by',
      'in sd',
      'worst layer, of an sd',
      'r over layers',
      '‖shift‖ off by',
    ],
    compared,
  ),
);
if (values.keep === undefined) rmSync(folder, { recursive: true });
process.exit(missed ? 100 : 0);
