/**
 * The rollouts of an extraction, written and read, beside transformers doing the same on the same weights: how many
 * times faster. Ours runs as `persona extract` runs it: it reads while it writes, and shares the beginnings of prompts;
 * theirs writes in batches and reads each text again, as the paper's code does.
 *
 *   PY=python node bench/extract.ts [--model M] [--peer-model M.gguf] [--threads 2] [--questions 8] [--pairs 2]
 *     [--samples 1,10] [--max-tokens 64] [--batch 16] [--repeats 3] [--json]
 *
 * Both sides have the same prompts and write as many answers of as many tokens, since neither ends where the model would.
 * Ends with 100 when a goal (3× at one sample a prompt, 4× at ten) is missed.
 */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { contextFor } from '../src/cli/extract.ts';
import { table } from '../src/cli/kit/table.ts';
import { pairedRatio } from '../src/math/paired-ratio.ts';
import { openChatModel } from '../src/model/chat-model.ts';
import { askRollouts, usualTemperature } from '../src/rollout/ask.ts';
import { planRollouts } from '../src/rollout/plan.ts';
import { loadTrait } from '../src/trait/load.ts';

const GOALS: Record<number, number> = { 1: 3, 10: 4 };

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    'peer-model': { type: 'string' },
    threads: { type: 'string', default: '2' },
    trait: { type: 'string', default: 'optimistic' },
    questions: { type: 'string', default: '8' },
    pairs: { type: 'string', default: '2' },
    samples: { type: 'string', default: '1,10' },
    'max-tokens': { type: 'string', default: '64' },
    batch: { type: 'string', default: '16' },
    repeats: { type: 'string', default: '3' },
    json: { type: 'boolean', default: false },
  },
});
const trait = await loadTrait(values.trait);
const maxTokens = Number(values['max-tokens']);
const questions = Number(values.questions);
const instruction = trait.instruction.slice(0, Number(values.pairs));
const folder = mkdtempSync(join(tmpdir(), 'bench-extract-'));

interface Measured {
  seconds: number;
  tokens: number;
}

async function ours(samples: number, seed: number): Promise<Measured> {
  // a fresh engine, so that nothing is in its cache; its loading is no part of the work, as theirs is not
  await using model = await openChatModel({
    model: values.model,
    threads: Number(values.threads),
    parallel: 'many',
    context: contextFor(maxTokens),
  });
  const plan = planRollouts({ ...trait, instruction }, { questions, samples });
  const begun = performance.now();
  let tokens = 0;
  for await (const { rollout } of askRollouts(model, plan, {
    maxTokens,
    temperature: usualTemperature(samples),
    seed,
    ignoreEnd: true,
  }))
    tokens += rollout.tokens;
  return { seconds: (performance.now() - begun) / 1000, tokens };
}

async function prompts(): Promise<{ texts: string[]; path: string }> {
  await using model = await openChatModel({ model: values.model, threads: 1, parallel: 1 });
  const plan = planRollouts({ ...trait, instruction }, { questions, samples: 1 });
  return { texts: plan.map(({ messages }) => model.render(messages)), path: model.path };
}

const { texts, path } = await prompts();
writeFileSync(join(folder, 'prompts.json'), JSON.stringify(texts));

function theirs(samples: number): Measured & { writing: number; reading: number } {
  const script = new URL('extract.py', import.meta.url).pathname;
  const out = execFileSync(
    process.env['PY'] ?? 'python3',
    [
      script,
      values['peer-model'] ?? path,
      join(folder, 'prompts.json'),
      String(samples),
      String(maxTokens),
      values.threads,
      values.batch,
    ],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
  );
  const { writing, reading, tokens } = JSON.parse(out) as {
    writing: number;
    reading: number;
    tokens: number;
  };
  return { writing, reading, tokens, seconds: writing + reading };
}

let missed = false;
const rows: (string | number)[][] = [];
const figures: object[] = [];
for (const samples of values.samples.split(',').map(Number)) {
  const [own, peer]: [number[], number[]] = [[], []];
  const seconds = { ours: [] as number[], theirs: [] as number[] };
  for (let k = 0; k < Number(values.repeats); k++) {
    const a = await ours(samples, k);
    const b = theirs(samples);
    own.push(a.tokens / a.seconds);
    peer.push(b.tokens / b.seconds);
    seconds.ours.push(a.seconds);
    seconds.theirs.push(b.seconds);
    process.stderr.write(
      `${samples} a prompt: ours ${a.tokens} tokens in ${a.seconds.toFixed(1)} s, theirs ${b.tokens} in ${b.writing.toFixed(1)} + ${b.reading.toFixed(1)} s\n`,
    );
  }
  const ratio = pairedRatio(own, peer);
  const goal = GOALS[samples];
  if (goal !== undefined && ratio.median < goal) missed = true;
  const middle = (list: number[]): number => list.toSorted((x, y) => x - y)[Math.floor(list.length / 2)]!;
  rows.push([
    `${texts.length} prompts × ${samples}`,
    middle(own).toFixed(0),
    middle(peer).toFixed(0),
    `${ratio.median.toFixed(2)}× [${ratio.low.toFixed(2)}, ${ratio.high.toFixed(2)}]`,
    goal === undefined ? '' : `${goal}×`,
  ]);
  figures.push({
    prompts: texts.length,
    samples,
    ours: own,
    theirs: peer,
    seconds,
    ratio,
    goal: goal ?? null,
  });
}
rmSync(folder, { recursive: true });
if (values.json) console.log(JSON.stringify(figures, null, 2));
else console.log(table(['rollouts', 'ours, tokens/s', 'transformers, tokens/s', 'ratio', 'goal'], rows));
process.exit(missed ? 100 : 0);
