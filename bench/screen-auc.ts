/**
 * Does screening tell answers that show a trait from those that do not? The default model answers a trait's evaluation
 * questions (those that its vector was not made of) under the positive, the negative and no instructions of the trait,
 * one drawn answer each; the answers are then screened without the instructions, by every method. AUC is the chance that
 * an answer under a positive instruction scores above a neutral one; its interval is drawn over questions.
 *
 *   node bench/screen-auc.ts --run FOLDER [--traits optimistic,humorous,impolite] [--model M] [--samples 1]
 *     [--max-tokens 96] [--temperature 0.5] [--top-p 0.9] [--vector TRAIT=FILE.gguf]… [--layers own|all] [--json]
 *
 * Vectors that are not given are made as `persona extract TRAIT` makes them. Everything is kept in FOLDER: the same
 * command goes on. Neutral answers are as many as the positive ones: five samples of each question.
 */

import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { table } from '../src/cli/kit/table.ts';
import { writeWhole } from '../src/files/write-whole.ts';
import { auc } from '../src/math/auc.ts';
import { bootstrap, type Interval } from '../src/math/bootstrap.ts';
import { mean } from '../src/math/statistics.ts';
import { type ChatModel, openChatModel } from '../src/model/chat-model.ts';
import { resolveWatches } from '../src/monitor/watch.ts';
import { askRollouts } from '../src/rollout/ask.ts';
import { planNeutral, planRollouts } from '../src/rollout/plan.ts';
import { type Rollout, rolloutSchema } from '../src/rollout/rollout.ts';
import { METHODS, type Method } from '../src/screen/measure.ts';
import { screen, type ScreenedRow } from '../src/screen/screen.ts';
import { loadTrait } from '../src/trait/load.ts';
import { vectorFinder } from '../src/vector/find.ts';
import { readingLayer } from '../src/vector/reading-layer.ts';
import { openRunFolder, openRunLog } from '../src/vector/run-folder.ts';

/** Of `difference` on the first trait. */
const GOAL = 0.9;
const PARALLEL = 16;
/** Context of a text: the longest prompt of a trait and an answer. */
const CONTEXT = 512;

const { values } = parseArgs({
  options: {
    run: { type: 'string' },
    traits: { type: 'string', default: 'optimistic,humorous,impolite' },
    model: { type: 'string' },
    samples: { type: 'string', default: '1' },
    'max-tokens': { type: 'string', default: '96' },
    temperature: { type: 'string', default: '0.5' }, // at 1 a small model's answers are noise about nothing
    'top-p': { type: 'string', default: '0.9' },
    vector: { type: 'string', multiple: true, default: [] },
    layers: { type: 'string', default: 'own' },
    json: { type: 'boolean', default: false },
  },
});
if (values.run === undefined) throw new Error('--run FOLDER is needed');
const run = values.run;
const samples = Number(values.samples);
const maxTokens = Number(values['max-tokens']);
const sampling = { temperature: Number(values.temperature), topP: Number(values['top-p']) };
const open = (): Promise<ChatModel> =>
  openChatModel({ model: values.model, parallel: PARALLEL, context: CONTEXT });

function vectorOf(trait: string): string {
  const given = values.vector.find((one) => one.startsWith(`${trait}=`));
  if (given !== undefined) return given.slice(trait.length + 1);
  const folder = join(run, `extract-${trait}`);
  const path = join(folder, 'vector.gguf');
  if (existsSync(path)) return path;
  const bin = new URL('../src/cli/bin.ts', import.meta.url).pathname;
  const model = values.model === undefined ? [] : ['--model', values.model];
  execFileSync(process.execPath, [bin, 'extract', trait, '--run', folder, ...model], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  return path;
}

/** Answers under all instructions, one line each: the question as it is asked without any. */
async function dataOf(name: string): Promise<string> {
  const trait = await loadTrait(name);
  const asked = { ...trait, questions: trait.evaluation };
  const all = { questions: trait.evaluation.length, samples };
  const plan = [
    ...planRollouts(asked, all),
    ...planNeutral(asked, { ...all, samples: samples * trait.instruction.length }),
  ];
  const folder = join(run, `answers-${name}`);
  await openRunFolder(folder, { model: values.model ?? 'default', samples, maxTokens, ...sampling });
  const { rows, log } = await openRunLog<Rollout>(
    join(folder, 'rollouts.jsonl'),
    rolloutSchema,
    ({ id }) => id,
  );
  await using _ = log;
  const known = new Map(rows.map((row) => [row.id, row]));
  const missing = plan.filter(({ id }) => !known.has(id));
  if (missing.length > 0) {
    await using model = await open();
    for await (const { rollout } of askRollouts(model, missing, { ...sampling, maxTokens, seed: 0 })) {
      await log.append(rollout);
      known.set(rollout.id, rollout);
    }
  }
  const path = join(folder, 'data.jsonl');
  const lines = plan
    .map(({ id }) => known.get(id)!)
    .filter(({ answer }) => answer.trim() !== '')
    .map(({ question, answer, side }) => `${JSON.stringify({ question, answer, side })}\n`);
  await writeWhole(path, lines.join(''));
  return path;
}

interface Figure {
  trait: string;
  method: Method;
  layer: number;
  rows: number;
  positive: Interval;
  negative: Interval;
  seconds: number;
}

async function screened(trait: string, vector: string, data: string, method: Method): Promise<Figure[]> {
  await using model = await open(); // a fresh engine: nothing is in its cache
  const layers = Array.from({ length: model.engine.info.layers - 1 }, (_, layer) => layer);
  const specs = values.layers === 'all' ? layers.map((layer) => ({ vector, layer })) : [{ vector }];
  const { watches } = await resolveWatches(
    specs,
    vectorFinder(),
    model.identity,
    (found) => readingLayer(found)?.layer,
  );
  const rows: ScreenedRow[] = [];
  const begun = performance.now();
  for await (const row of screen(model, data, { watches, method, maxTokens })) rows.push(row);
  const seconds = (performance.now() - begun) / 1000;
  return watches.map(({ name, layer }) => ({
    trait,
    method,
    layer,
    rows: rows.length,
    positive: aucOver(rows, name, 'pos', 'none'),
    negative: aucOver(rows, name, 'none', 'neg'),
    seconds,
  }));
}

/** Questions are drawn, with all their answers: answers to one question are more alike than others. */
function aucOver(rows: readonly ScreenedRow[], name: string, above: string, below: string): Interval {
  const questions = [...new Set(rows.map(({ fields }) => fields.question))];
  const of = (side: string): number[][] =>
    questions.map((question) =>
      rows
        .filter(({ fields }) => fields.question === question && fields.side === side)
        .flatMap(({ traits }) => traits[name]!.difference ?? []),
    );
  const [high, low] = [of(above), of(below)];
  return bootstrap(questions.length, (drawn) =>
    auc(
      [...drawn].flatMap((q) => high[q]!),
      [...drawn].flatMap((q) => low[q]!),
    ),
  );
}

const figures: Figure[] = [];
const traits = values.traits.split(',');
for (const trait of traits) {
  const vector = vectorOf(trait);
  const data = await dataOf(trait);
  for (const method of METHODS) figures.push(...(await screened(trait, vector, data, method)));
}

const text = ({ mean: value, low, high }: Interval): string =>
  `${value.toFixed(3)} [${low.toFixed(2)}, ${high.toFixed(2)}]`;
if (values.json) console.log(JSON.stringify(figures, null, 2));
else
  console.log(
    table(
      ['trait', 'method', 'layer', 'positive above neutral', 'neutral above negative', 'rows/s'],
      figures.map(({ trait, method, layer, rows, positive, negative, seconds }) => [
        trait,
        method,
        layer,
        text(positive),
        text(negative),
        (rows / seconds).toFixed(1),
      ]),
    ),
  );
const told = figures.filter(({ trait, method }) => trait === traits[0] && method === 'difference');
const missed = values.layers === 'own' && mean(told.map(({ positive }) => positive.mean)) < GOAL;
process.exit(missed ? 100 : 0);
