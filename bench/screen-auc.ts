/**
 * Does screening tell answers that show a trait from those that do not? The default model answers a trait's evaluation
 * questions (those that its vector was not made of) under the positive, the negative and no instructions of the trait;
 * the answers are then screened without the instructions, by every method. AUC is the chance that an answer under a
 * positive instruction scores above a neutral one; its interval is drawn over questions.
 *
 *   node bench/screen-auc.ts --run FOLDER [--traits optimistic,humorous,impolite] [--model M] [--questions 20]
 *     [--samples 1] [--max-tokens 96] [--temperature 0.5] [--top-p 0.9] [--vector TRAIT=FILE.gguf]… [--json]
 *
 * Vectors that are not given are made as `persona extract TRAIT` makes them. Everything is kept in FOLDER: the same
 * command goes on. Neutral answers are as many as the positive ones: five samples of each question.
 *
 * How far apart can the answers be told at all? The last line of a trait tries a direction that is made of these very
 * answers, positive minus neutral, on questions that it was not made of: a small model that hardly follows an instruction
 * gives answers that no direction tells apart.
 */

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { table } from '../src/cli/kit/table.ts';
import { writeWhole } from '../src/files/write-whole.ts';
import { auc } from '../src/math/auc.ts';
import { bootstrap, type Interval } from '../src/math/bootstrap.ts';
import { difference, meanOfRows, project } from '../src/math/vector.ts';
import { type ChatModel, openChatModel } from '../src/model/chat-model.ts';
import { resolveWatches, type Watch } from '../src/monitor/watch.ts';
import { askRollouts } from '../src/rollout/ask.ts';
import { planNeutral, planRollouts } from '../src/rollout/plan.ts';
import { type Rollout, rolloutSchema } from '../src/rollout/rollout.ts';
import { METHODS, type Method } from '../src/screen/measure.ts';
import { screen } from '../src/screen/screen.ts';
import { loadTrait } from '../src/trait/load.ts';
import { vectorFinder } from '../src/vector/find.ts';
import { readingLayer } from '../src/vector/reading-layer.ts';
import { openRunFolder, openRunLog } from '../src/vector/run-folder.ts';
import type { PersonaVector } from '../src/vector/vector.ts';

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
    questions: { type: 'string', default: '20' },
    samples: { type: 'string', default: '1' },
    'max-tokens': { type: 'string', default: '96' },
    temperature: { type: 'string', default: '0.5' }, // at 1 a small model's answers are noise about nothing
    'top-p': { type: 'string', default: '0.9' },
    vector: { type: 'string', multiple: true, default: [] },
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
  const all = { questions: Number(values.questions), samples };
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
  method: Method | typeof CEILING;
  layer: number;
  rows: number;
  positive: Interval;
  negative: Interval;
  seconds: number;
}

/** A score of each answer: of which question and under which instructions it was given. */
interface Scored {
  question: string;
  side: string;
  score: number;
}

interface Row {
  question: string;
  answer: string;
  side: string;
}

const CEILING = 'a direction of these answers';
const PARTS = 5;

async function screened(trait: string, vector: string, data: string, method: Method): Promise<Figure> {
  await using model = await open(); // a fresh engine: nothing is in its cache
  const [watch] = await watched(vector, model);
  const scores: Scored[] = [];
  const begun = performance.now();
  for await (const { fields, traits } of screen(model, data, { watches: [watch!], method, maxTokens })) {
    const { question, side } = fields as unknown as Row;
    scores.push({ question, side, score: traits[watch!.name]!.difference ?? NaN });
  }
  return figureOf(trait, method, watch!.layer, scores, (performance.now() - begun) / 1000);
}

async function watched(vector: string, model: ChatModel): Promise<Watch[]> {
  const layerOf = (found: PersonaVector): number | undefined => readingLayer(found)?.layer;
  return (await resolveWatches([{ vector }], vectorFinder(), model.identity, layerOf)).watches;
}

/** At the layer of the vector; a fifth of the questions is tried on the direction of the others. */
async function ceiling(trait: string, vector: string, data: string): Promise<Figure> {
  await using model = await open();
  const { layer } = (await watched(vector, model))[0]!;
  const { width } = model.engine.info;
  const rows = readFileSync(data, 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line) as Row); // prettier-ignore
  const begun = performance.now();
  const read = rows.map(async ({ question, answer }) => {
    const prompt = model.render([{ role: 'user', content: question }]);
    const means = { layers: [layer], kinds: ['response_avg' as const] };
    return (await model.engine.run({ prompt, answer, means })).means!.response_avg!;
  });
  const states = await Promise.all(read);
  const seconds = (performance.now() - begun) / 1000;
  const questions = [...new Set(rows.map(({ question }) => question))];
  const partOf = ({ question }: Row): number => questions.indexOf(question) % PARTS;
  const learned = Array.from({ length: PARTS }, (_, part) => {
    const [pos, none] = ['pos', 'none'].map((side) => {
      const known = states.filter((_state, i) => partOf(rows[i]!) !== part && rows[i]!.side === side);
      return meanOfRows(Float32Array.from(known.flatMap((state) => [...state])), width);
    });
    return Float32Array.from(difference(pos!, none!));
  });
  const scores = rows.map((row, i): Scored => {
    const score = project(states[i]!, learned[partOf(row)]!);
    return { question: row.question, side: row.side, score };
  });
  return figureOf(trait, CEILING, layer, scores, seconds);
}

function figureOf(
  trait: string,
  method: Figure['method'],
  layer: number,
  scores: readonly Scored[],
  seconds: number,
): Figure {
  const positive = aucOver(scores, 'pos', 'none');
  return { trait, method, layer, rows: scores.length, positive, negative: aucOver(scores, 'none', 'neg'), seconds }; // prettier-ignore
}

/** Questions are drawn, with all their answers: answers to one question are more alike than others. */
function aucOver(scores: readonly Scored[], above: string, below: string): Interval {
  const questions = [...new Set(scores.map(({ question }) => question))];
  const of = (side: string): number[][] =>
    questions.map((question) =>
      scores
        .filter((one) => one.question === question && one.side === side && !Number.isNaN(one.score))
        .map(({ score }) => score),
    );
  const [high, low] = [of(above), of(below)];
  return bootstrap(questions.length, (drawn) =>
    auc(
      [...drawn].flatMap((q) => high[q]!),
      [...drawn].flatMap((q) => low[q]!),
    ),
  );
}

const interval = z.object({ mean: z.number(), low: z.number(), high: z.number(), n: z.number() });
const figureSchema = z.object({
  trait: z.string(),
  method: z.enum([...METHODS, CEILING]),
  layer: z.number(),
  rows: z.number(),
  positive: interval,
  negative: interval,
  seconds: z.number(),
});

const keyOf = ({ trait, method }: Pick<Figure, 'trait' | 'method'>): string => `${trait}/${method}`;
const { rows: old, log } = await openRunLog<Figure>(join(run, 'figures.jsonl'), figureSchema, keyOf);
const figures = new Map(old.map((figure) => [keyOf(figure), figure]));
const traits = values.traits.split(',');
for (const trait of traits) {
  const vector = vectorOf(trait);
  const data = await dataOf(trait);
  for (const method of [...METHODS, CEILING] as const) {
    const key = keyOf({ trait, method });
    if (figures.has(key)) continue;
    const found = method === CEILING ? ceiling(trait, vector, data) : screened(trait, vector, data, method);
    figures.set(key, await found);
    await log.append(figures.get(key)!);
    process.stderr.write(`${JSON.stringify(figures.get(key))}\n`);
  }
}
await log.close();

const text = ({ mean, low, high }: Interval): string =>
  `${mean.toFixed(3)} [${low.toFixed(2)}, ${high.toFixed(2)}]`;
const told = [...figures.values()].sort((a, b) => traits.indexOf(a.trait) - traits.indexOf(b.trait));
if (values.json) console.log(JSON.stringify(told, null, 2));
else
  console.log(
    table(
      ['trait', 'method', 'layer', 'answers', 'positive above neutral', 'neutral above negative', 'rows/s'],
      told.map(({ trait, method, layer, rows, positive, negative, seconds }) => [
        trait,
        method,
        layer,
        rows,
        text(positive),
        text(negative),
        (rows / seconds).toFixed(1),
      ]),
    ),
  );
const first = figures.get(keyOf({ trait: traits[0]!, method: 'difference' }));
process.exit(first!.positive.mean < GOAL ? 100 : 0);
