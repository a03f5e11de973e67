/**
 * One adapter, the same text everywhere: greedy answers by llama.cpp's own LoRA loader (our engine with `--lora`), by
 * the merged model, and by transformers with PEFT from the folder that we write; then the other way, an adapter that
 * PEFT wrote, read by us. Random factors about as large as trained ones.
 *
 *   PY=python node bench/adapter-peft.ts --model M.F32.gguf --peer FOLDER [--rank 16] [--alpha 32] [--prompts 8]
 *     [--tokens 20] [--threads 2] [--of ours,theirs] [--json]
 *
 * FOLDER holds the same weights as transformers has them, in float32. Texts may part only where PEFT's two best logits
 * are closer than 0.001. Ends with 100 when one does elsewhere, or when an adapter changes no text.
 */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { table } from '../src/cli/kit/table.ts';
import { TARGETS, targetShape } from '../src/engine/training/architecture.ts';
import { random } from '../src/math/random.ts';
import { openChatModel } from '../src/model/chat-model.ts';
import { readGguf } from '../src/model/gguf-read.ts';
import type { Adapter, AdapterFactors } from '../src/train/adapter.ts';
import { writeAdapterGguf } from '../src/train/adapter-gguf.ts';
import { readPeft, writePeft } from '../src/train/adapter-peft.ts';
import { architectureOf } from '../src/train/architecture.ts';
import { mergeAdapter } from '../src/train/merge.ts';
import { loadTrait } from '../src/trait/load.ts';

/** Two runs of the same float32 model differ by less in any logit. */
const NEAR_TIE = 1e-3;
/** Deviation of B's numbers; a trained adapter's at rank 16 and a learning rate of 2e-4 has about this. */
const B_DEVIATION = 0.02;

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    peer: { type: 'string' },
    rank: { type: 'string', default: '16' },
    alpha: { type: 'string', default: '32' },
    prompts: { type: 'string', default: '8' },
    tokens: { type: 'string', default: '20' },
    threads: { type: 'string', default: '2' },
    of: { type: 'string', default: 'ours,theirs' },
    json: { type: 'boolean', default: false },
  },
});
if (!values.model || !values.peer) throw new Error('--model M.F32.gguf and --peer FOLDER are needed');
const { model: base, peer } = values;
const [rank, alpha, count] = [Number(values.rank), Number(values.alpha), Number(values.tokens)];
const folder = mkdtempSync(join(tmpdir(), 'bench-adapter-'));
const at = (name: string): string => join(folder, name);

const architecture = architectureOf(await readGguf(base));
const { heads, kvHeads, headWidth, layers } = architecture;

function randomAdapter(): Adapter {
  const source = random(1);
  const numbers = (length: number, deviation: number): Float32Array =>
    Float32Array.from({ length }, () => deviation * source.normal());
  const factors = new Map<string, AdapterFactors>();
  for (let b = 0; b < layers; b++)
    for (const target of TARGETS) {
      const { inputs, outputs } = targetShape(architecture, target);
      factors.set(`blk.${b}.${target}`, {
        a: numbers(rank * inputs, 1 / Math.sqrt(inputs)),
        b: numbers(outputs * rank, B_DEVIATION),
      });
    }
  return { architecture: architecture.name, layers, rank, alpha, rslora: true, targets: TARGETS, factors };
}

interface Answered {
  tokens: number[];
  text: string;
}

const prompts: number[][] = [];
async function ours(path: string, lora?: string): Promise<Answered[]> {
  await using model = await openChatModel({
    model: path,
    threads: Number(values.threads),
    parallel: 4,
    context: 512,
    cacheType: 'f32',
    ...(lora !== undefined && { loras: [{ path: lora }] }),
  });
  if (prompts.length === 0) {
    const { evaluation } = await loadTrait('optimistic');
    for (const content of evaluation.slice(0, Number(values.prompts)))
      prompts.push(await model.engine.tokenize(model.render([{ role: 'user', content }]), true));
  }
  return await Promise.all(
    prompts.map((prompt) =>
      model.engine.run({ prompt, maxTokens: count, sampling: { temperature: 0 }, ignoreEnd: true }),
    ),
  );
}

function python(verb: string[], input = ''): string {
  const script = new URL('adapter-peft.py', import.meta.url).pathname;
  return execFileSync(process.env['PY'] ?? 'python3', [script, ...verb], {
    encoding: 'utf8',
    input,
    stdio: ['pipe', 'pipe', process.env['DEBUG'] ? 'inherit' : 'ignore'],
  });
}

interface Answer {
  tokens: number[];
  gaps: number[];
}

function theirs(adapter: string): Answer[] {
  const out = python(['answer', peer, adapter, String(count)], JSON.stringify(prompts));
  return out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Answer);
}

/** Where two texts part, and how near the two best logits were there; undefined when they do not. */
function parting(a: readonly number[], b: Answer): { token: number; gap: number } | undefined {
  const token = b.tokens.findIndex((t, i) => t !== a[i]);
  return token < 0 ? undefined : { token, gap: b.gaps[token]! };
}

let failed = false;
const figures: object[] = [];
const rows: (string | number)[][] = [];
function compare(what: string, own: readonly Answered[], peers: readonly Answer[]): void {
  const parted = own.map(({ tokens }, i) => parting(tokens, peers[i]!)).filter((x) => x !== undefined);
  const wrong = parted.filter(({ gap }) => gap > NEAR_TIE);
  if (wrong.length > 0) failed = true;
  rows.push([
    what,
    `${own.length - parted.length} of ${own.length}`,
    parted.length - wrong.length,
    wrong.length,
  ]);
  figures.push({ what, answers: own.length, tokens: count, parted });
}
function changed(what: string, own: readonly Answered[], plain: readonly Answered[]): void {
  const other = own.filter(({ tokens }, i) => tokens.join() !== plain[i]!.tokens.join()).length;
  if (other === 0) failed = true;
  process.stderr.write(
    `${what} changes ${other} of ${own.length} texts, the first to ${JSON.stringify(own[0]!.text)}\n`,
  );
}

async function compareOurs(plain: readonly Answered[]): Promise<void> {
  const adapter = randomAdapter();
  await writeAdapterGguf(at('ours.gguf'), adapter);
  await writePeft(at('ours-peft'), adapter, { baseModel: peer, headWidth });
  await mergeAdapter(base, adapter, at('merged.gguf'), { threads: Number(values.threads) });
  const beside = await ours(base, at('ours.gguf'));
  changed('our adapter', beside, plain);
  const peers = theirs(at('ours-peft'));
  compare('our adapter, --lora | PEFT', beside, peers);
  compare('our adapter, merged | PEFT', await ours(at('merged.gguf')), peers);
}

async function compareTheirs(plain: readonly Answered[]): Promise<void> {
  python(['train', peer, at('theirs-peft'), String(rank), String(alpha)]);
  const model = { architecture: architecture.name, heads, kvHeads, headWidth, layers };
  await writeAdapterGguf(at('theirs.gguf'), await readPeft(at('theirs-peft'), model));
  const own = await ours(base, at('theirs.gguf'));
  changed("PEFT's adapter", own, plain);
  compare("PEFT's adapter, --lora | PEFT", own, theirs(at('theirs-peft')));
}

try {
  const answers = await ours(base);
  const sides = values.of.split(',');
  if (sides.includes('ours')) await compareOurs(answers);
  if (sides.includes('theirs')) await compareTheirs(answers);
} finally {
  rmSync(folder, { recursive: true });
}
if (values.json) console.log(JSON.stringify(figures, null, 2));
else console.log(table(['', 'same text', 'parted at a near tie', 'parted elsewhere'], rows));
process.exit(failed ? 100 : 0);
