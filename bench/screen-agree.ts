/**
 * The figures of `persona screen` against PyTorch's of the same weights: 50 rows, projection, both kinds of base, and
 * the differences.
 *
 *   PY=python node bench/screen-agree.ts ROWS.jsonl VECTOR.gguf MODEL.gguf [MODEL.gguf …]
 *     [--rows 50] [--max-tokens 32] [--against F32.gguf] [--threads 2]
 *
 * ROWS.jsonl has `question` and `answer` (rows of screen-auc.ts, say); so many are drawn, the same for each model. Every
 * model is held against its own weights dequantised, or against those of F32.gguf. Ends with 100 where r < 0.999 or the
 * mean absolute difference is more than 1 % of the spread (a standard deviation of PyTorch's values).
 */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { table } from '../src/cli/kit/table.ts';
import { random } from '../src/math/random.ts';
import { deviation, mean, pearson } from '../src/math/statistics.ts';
import { openChatModel } from '../src/model/chat-model.ts';
import { resolveWatches, watchedLayer } from '../src/monitor/watch.ts';
import { screen } from '../src/screen/screen.ts';
import { vectorFinder } from '../src/vector/find.ts';
import { direction } from '../src/vector/vector.ts';

const LEAST_R = 0.999;
const MOST_DIFFERENCE = 0.01;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rows: { type: 'string', default: '50' },
    'max-tokens': { type: 'string', default: '32' },
    against: { type: 'string' },
    threads: { type: 'string', default: '2' },
  },
});
const [source, vectorPath, ...models] = positionals;
if (source === undefined || vectorPath === undefined || models.length === 0)
  throw new Error('the first lines of bench/screen-agree.ts say what it takes');
const maxTokens = Number(values['max-tokens']);
const folder = mkdtempSync(join(tmpdir(), 'screen-agree-'));
const data = join(folder, 'rows.jsonl');
const directionPath = join(folder, 'vector.f32');

const find = vectorFinder();
const vector = await find(vectorPath);
const layer = watchedLayer({ vector: vectorPath }, vector);
writeFileSync(directionPath, direction(vector, layer));
const lines = readFileSync(source, 'utf8').split('\n').filter(Boolean);
const chance = random(0);
const drawn = Array.from(
  { length: Math.min(Number(values.rows), lines.length) },
  () => lines.splice(chance.below(lines.length), 1)[0]!,
);
writeFileSync(data, drawn.map((line) => `${line}\n`).join(''));

type Figures = Record<'projection' | 'last' | 'own', number[]>;

async function ours(path: string): Promise<Figures> {
  await using model = await openChatModel({ model: path, parallel: 8, context: 512, cacheType: 'f32' });
  const { watches } = await resolveWatches([{ vector: vectorPath! }], find, model.identity);
  const figures: Figures = { projection: [], last: [], own: [] };
  for (const method of ['prompt', 'difference'] as const)
    for await (const { traits } of screen(model, data, { watches, method, maxTokens })) {
      const { projection, base } = Object.values(traits)[0]!;
      if (method === 'prompt') figures.projection.push(projection!);
      figures[method === 'prompt' ? 'last' : 'own'].push(base!);
    }
  return figures;
}

const peers = new Map<string, Figures>();
function theirs(path: string): Figures {
  const script = new URL('screen-agree.py', import.meta.url).pathname;
  const asked = [script, path, data, directionPath, String(layer), values.threads, String(maxTokens)];
  const known =
    peers.get(path) ??
    (JSON.parse(
      execFileSync(process.env['PY'] ?? 'python3', asked, {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      }),
    ) as Figures);
  peers.set(path, known);
  return known;
}

let missed = false;
const rows: (string | number)[][] = [];
for (const path of models) {
  const a = await ours(path);
  const b = theirs(values.against ?? path);
  const less = (from: number[], other: number[]): number[] => from.map((value, i) => value - other[i]!);
  const pairs: [string, number[], number[]][] = [
    ['projection', a.projection, b.projection],
    ['last prompt token', a.last, b.last],
    ['prompt: difference', less(a.projection, a.last), less(b.projection, b.last)],
    ['own greedy answer', a.own, b.own],
    ['difference', less(a.projection, a.own), less(b.projection, b.own)],
  ];
  for (const [what, own, other] of pairs) {
    const r = pearson(own, other);
    const share = mean(own.map((value, i) => Math.abs(value - other[i]!))) / deviation(other);
    if (what === 'projection' && (r < LEAST_R || share > MOST_DIFFERENCE)) missed = true;
    rows.push([basename(path), what, own.length, r.toFixed(6), `${(100 * share).toFixed(3)} %`]);
  }
}
rmSync(folder, { recursive: true });
console.log(table(['model', `layer ${layer}`, 'rows', 'r', 'mean |difference| / sd'], rows));
process.exit(missed ? 100 : 0);
