/** `persona screen`: how far the answers of training data go beyond what the model itself would answer. */

import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type Command, Option } from 'commander';
import { PersonaError } from '../errors.ts';
import { beginWhole, writeWhole } from '../files/write-whole.ts';
import type { Judge } from '../judge/judge.ts';
import type { ChatModel } from '../model/chat-model.ts';
import { parseWatch, resolveWatches, type Watch, type WatchSpec } from '../monitor/watch.ts';
import { writeScreenPage } from '../report/screen-page.ts';
import { readEnds } from '../report/screen-tokens.ts';
import { type Gate, parseGate } from '../screen/gate.ts';
import { type Method, METHODS } from '../screen/measure.ts';
import { type DataFile, dataFile, dataFiles, STDIN } from '../screen/read/files.ts';
import type { HubDataOptions } from '../screen/read/hub-data.ts';
import { countRecords } from '../screen/read/records.ts';
import { runScreening } from '../screen/run.ts';
import type { BadLimit } from '../screen/samples.ts';
import { USUAL_MAX_TOKENS, USUAL_SAMPLE } from '../screen/screen-set.ts';
import { parseThreshold, type Threshold } from '../screen/threshold.ts';
import { junit } from '../screen/gate-text.ts';
import { checkGates, markdown, verdicts } from '../screen/verdicts.ts';
import { loadTrait } from '../trait/load.ts';
import { vectorFinder } from '../vector/find.ts';
import { readingLayer } from '../vector/reading-layer.ts';
import { direction } from '../vector/vector.ts';
import { describe } from './kit/help.ts';
import { type ChosenJudges, judgesOf, openJudges } from './kit/judge-options.ts';
import { addAskingOptions } from './kit/judges.ts';
import { addModelOptions, type ModelOptions, openModel, stepsOf } from './kit/model-options.ts';
import { badLimit, integer, repeated, seed } from './kit/options.ts';
import type { Progress } from './kit/progress.ts';
import { GATE_NOT_MET, run, type Session } from './kit/run.ts';
import { screenJson, screenText } from './kit/screen-text.ts';
import { count } from './kit/text.ts';

interface Options extends ModelOptions {
  vector: WatchSpec[];
  method: Method;
  output: string;
  reference?: string[];
  turns: 'last' | 'all';
  maxBad?: BadLimit;
  maxTokens: number;
  sample: number;
  seed: number;
  agreement?: number;
  threshold?: Threshold[];
  keep?: string;
  drop?: string;
  judge?: string;
  trait?: string[];
  judgeThreshold?: Threshold[];
  union?: true;
  by?: string;
  failOn?: Gate[];
  junit?: string;
  markdown?: string;
  report?: string;
  concurrency?: number;
  requestsPerMinute?: number;
  cache: boolean;
}

const DEFAULT_PARALLEL = 8;
/** Reading has no answers to write together: further room only takes memory (two are no faster). */
const READING_PARALLEL = 1;
/** Bad rows that are told one by one. */
const TOLD_BAD = 10;

export function registerScreen(program: Command): void {
  const command = program
    .command('screen')
    .description('find the training data that would push a model towards a trait')
    .argument(
      '<data...>',
      'JSONL, CSV or Parquet: files, folders, patterns in quotes, hf:owner/repo[:PATH] of a hub, or - for JSONL on stdin',
    )
    .requiredOption(
      '--vector <vector>',
      'VECTOR[@LAYER]; may be repeated, one pass reads them all (default layer: where it tells apart best)',
      repeated((text) => parseWatch(text)),
    )
    .addOption(
      new Option('--method <method>', 'what an answer is held against')
        .choices([...METHODS])
        .default('difference'),
    )
    .requiredOption('-o, --output <file>', 'the rows with their figures: .jsonl, .csv or .parquet')
    .option('--reference <data>', 'clean data, screened alike; may be repeated', repeated(String))
    .option('--threshold <bound>', '[TRAIT:] p95, z>3 or a number; may be repeated', repeated(parseThreshold))
    .option('--keep <file>', 'rows that are not over a threshold, as they were')
    .option('--drop <file>', 'rows that are, and those that could not be measured')
    .option('--by <field>', 'also tell figures by the values of this field')
    .addOption(
      new Option('--turns <which>', 'of a conversation, its last answer or each')
        .choices(['last', 'all'])
        .default('last'),
    )
    .option('--max-bad <rows>', 'bad rows to pass over: 20, or 2% (default: 0.1%, at least 10)', badLimit)
    .option('--max-tokens <n>', "longest of the model's own answers", integer({ min: 1 }), USUAL_MAX_TOKENS)
    .option(
      '--sample <n>',
      'rows of each file that make the base of "sampled"',
      integer({ min: 2 }),
      USUAL_SAMPLE,
    )
    .option('--seed <n>', 'of choosing rows', seed, 0)
    .option('--agreement <n>', 'compare the method with "difference" on so many rows', integer({ min: 3 }))
    .option('--judge <judge>', 'also score: likelihood, openai:MODEL, gguf:MODEL or fn:FILE.ts')
    .option(
      '--trait <trait>',
      'what the judge scores, for a vector that does not hold its trait; may be repeated',
      repeated(String),
    )
    .option('--judge-threshold <bound>', 'as --threshold, of the scores', repeated(parseThreshold))
    .option('--union', "drop what is over either threshold, the difference's or the judge's")
    .option('--fail-on <gate>', '"[TRAIT:] mean > 0.5 sd" and the like; may be repeated', repeated(parseGate))
    .option('--junit <file>', 'what came of the gates, as JUnit XML')
    .option('--markdown <file>', 'the summary as Markdown')
    .option('--report <file>', 'the page (default: OUTPUT.screen/report.html)');
  addAskingOptions(command);
  addModelOptions(command);
  command.addHelpText(
    'after',
    `
Each row comes back with TRAIT_projection, the mean projection of its answer, TRAIT_base, what it is held against,
TRAIT_difference of the two, and TRAIT_z, that in standard deviations of the reference (without one, of the set itself).
The base is: for difference, the projection of the model's own greedy answer; for prompt, that of the last prompt token,
which takes no answering; for sampled, the mean of the own answers to a sample of each file's rows.
Gates ask for n, mean, min, max, share (over the threshold) or p1 to p99, in units of the projection, in sd of the
reference from its mean (without one: of the set, from 0), or for share in %. One that is not met: exit code 100.
Where work was stopped, the same command goes on.`,
  );
  command.action(run(screenFiles, { resumes: true }));
  describe(command, 'Screen and train', [
    {
      does: 'what the data would do to the model, sample by sample',
      line: 'persona screen train.jsonl --vector evil.gguf -o scored.jsonl',
    },
    {
      does: 'drop what clean data has one in a hundred of, without answering anything',
      line: 'persona screen "data/*.parquet" --vector evil.gguf --vector sycophantic.gguf --method prompt --reference clean.jsonl --threshold p99 --keep kept.jsonl -o scored.parquet',
    },
    {
      does: 'in CI',
      line: 'persona screen train.jsonl --vector evil.gguf --reference clean.jsonl --fail-on "mean > 0.5 sd" --junit screen.xml -o scored.csv',
    },
  ]);
}

async function screenFiles(
  session: Session,
  given: string[],
  options: Options,
): Promise<typeof GATE_NOT_MET | void> {
  const { output, method, failOn: gates = [], agreement, judge, union } = options;
  for (const path of [output, options.keep, options.drop]) if (path !== undefined) checkWritable(path);
  if (union && judge === undefined) throw new PersonaError('USAGE', '--union needs a --judge');
  if (options.judgeThreshold && !union)
    throw new PersonaError('USAGE', '--judge-threshold is for --union, which is not there');
  if (agreement !== undefined && method === 'difference')
    throw new PersonaError('USAGE', '--agreement compares another method with "difference"', {
      remedy: 'Give --method prompt or --method sampled with it.',
    });
  const thresholds = options.threshold ?? (options.reference ? [parseThreshold('p95')] : []);
  const needs = options.keep ? '--keep' : options.drop ? '--drop' : union ? '--union' : undefined;
  const share = gates.some(({ figure }) => figure === 'share') ? 'a gate on the share' : undefined;
  if (thresholds.length === 0 && (needs ?? share) !== undefined)
    throw new PersonaError('USAGE', `${needs ?? share} needs to know what is too much`, {
      remedy: 'Give --reference with clean data, or --threshold.',
    });
  const find = vectorFinder();
  for (const { vector } of options.vector) await find(vector);
  const steps = stepsOf(session);
  const hub: HubDataOptions = {
    offline: options.offline,
    signal: session.signal,
    onNote: (note) => session.human(note),
    onProgress: steps.report,
  };
  const reference = options.reference && (await dataFiles(options.reference, hub).finally(steps.end));
  const files = await inputFiles(session, given, output, hub).finally(steps.end);

  await using model = await openModel(session, options, {
    parallel: method === 'prompt' && agreement === undefined ? READING_PARALLEL : DEFAULT_PARALLEL,
  });
  const { watches, notes } = await resolveWatches(
    options.vector,
    find,
    model.identity,
    (vector) => readingLayer(vector)?.layer,
  );
  for (const note of [...notes, ...layerNotes(options.vector, watches)]) session.human(note);
  checkGates(
    gates,
    watches.map(({ name }) => name),
  );
  await tellCost(session, model, watches, files, options);

  await using chosen =
    judge === undefined ? undefined : await openJudges(session, { ...options, judge: [judge] });
  const judges = chosen && (await judgesFor(session, chosen, model, watches, options));
  let bad = 0;
  const bars = barsOf(session);
  const result = await runScreening(model, files, {
    watches,
    method,
    config: configOf(model, watches, files, options),
    output,
    keep: options.keep,
    drop: options.drop,
    reference,
    thresholds,
    judges,
    judgeThresholds: options.judgeThreshold ?? (union ? [parseThreshold('p95')] : []),
    union: union ?? false,
    by: options.by,
    agreement,
    turns: options.turns,
    ...(options.maxBad && { maxBad: options.maxBad }),
    maxTokens: options.maxTokens,
    sample: options.sample,
    seed: options.seed,
    signal: session.signal,
    onBad: (place, problem) => {
      if (++bad <= TOLD_BAD) session.human(`${place}: ${problem}`);
      else if (bad === TOLD_BAD + 1) session.human('further bad rows are not told one by one');
    },
    onShape: (file, shape) => session.human(`${file}: ${shape}`),
    onStep: bars.step,
  }).finally(bars.end);

  const found = verdicts(gates, result);
  if (options.junit !== undefined) await writeWhole(options.junit, junit('screen', result.output, found));
  if (options.markdown !== undefined) await writeWhole(options.markdown, markdown(found, result));
  const report = options.report ?? join(`${output}.screen`, 'report.html');
  const ends = await readEnds(model, watches, result, session.signal);
  await writeScreenPage(report, { model: model.identity, method, result, ends, gates: found });
  session.human(`the page: ${report}`);
  session.result(screenJson(result, found, bad), screenText(result, found, bad));
  return found.every(({ passed }) => passed) ? undefined : GATE_NOT_MET;
}

/** Of vectors that are read at another layer than they steer at. */
function layerNotes(specs: readonly WatchSpec[], watches: readonly Watch[]): string[] {
  return watches.flatMap(({ name, source, vector, layer }) => {
    const found = readingLayer(vector);
    const isChosen = specs.some((spec) => spec.vector === source && spec.layer === undefined);
    if (!isChosen || layer !== found?.layer || found.ownAuc === undefined) return [];
    return [
      `${name} is read at layer ${layer}, which tells its sides apart better (AUC ${found.auc!.toFixed(2)}) than ` +
        `layer ${vector.layer}, at which it steers (${found.ownAuc.toFixed(2)})`,
    ];
  });
}

function checkWritable(path: string): void {
  if (dataFile(path).packing)
    throw new PersonaError('USAGE', `${path}: packed files are read, not written`, {
      remedy: 'Give a name that ends in .jsonl, .csv or .parquet.',
    });
}

/** Standard input is kept first: it is read more than once. */
async function inputFiles(
  session: Session,
  given: readonly string[],
  output: string,
  hub: HubDataOptions,
): Promise<DataFile[]> {
  if (!given.includes(STDIN)) return await dataFiles(given, hub);
  const path = join(`${output}.screen`, 'stdin.jsonl');
  await using kept = await beginWhole(path);
  await pipeline(process.stdin, createWriteStream(kept.temporary), { signal: session.signal });
  await kept.finish();
  return await dataFiles(
    given.map((one) => (one === STDIN ? path : one)),
    hub,
  );
}

/** All that a line of the log depends on. */
function configOf(
  model: ChatModel,
  watches: readonly Watch[],
  files: readonly DataFile[],
  { method, maxTokens, turns, sample, seed: own, judge }: Options,
): Record<string, unknown> {
  const { sha256, templateSha256 } = model.identity;
  return {
    verb: 'screen',
    model: { sha256, templateSha256 },
    vectors: watches.map(({ name, layer, vector }) => ({
      name,
      layer,
      sha256: createHash('sha256').update(direction(vector, layer)).digest('hex'),
    })),
    method,
    ...(method !== 'prompt' && { maxTokens }),
    ...(method === 'sampled' && { sample, seed: own }),
    turns,
    ...(judge !== undefined && { judge }),
    data: files.map(({ path }) => path),
  };
}

async function tellCost(
  session: Session,
  model: ChatModel,
  watches: readonly Watch[],
  files: readonly DataFile[],
  { method, maxTokens, sample, turns, judge }: Options,
): Promise<void> {
  const counts = await Promise.all(files.map(countRecords));
  const known = counts.every((rows) => rows !== undefined);
  const total = counts.reduce<number>((sum, rows) => sum + (rows ?? 0), 0);
  const top = Math.max(...watches.map(({ layer }) => layer));
  const each = turns === 'all' ? 'each answer' : 'each row';
  const own =
    method === 'difference'
      ? `, and an answer of up to ${maxTokens} tokens to each different prompt`
      : method === 'sampled'
        ? `, and an answer of up to ${maxTokens} tokens to ${sample} rows of each file`
        : '';
  session.human(
    `${known ? `${count(total)} rows` : 'rows that cannot be counted cheaply'} in ${count(files.length)} ${files.length === 1 ? 'file' : 'files'}: ` +
      `${each} is read once, up to layer ${top} of ${model.engine.info.layers}${own}${judge === undefined ? '' : `, and scored by ${judge}`}`,
  );
}

async function judgesFor(
  session: Session,
  { choices }: ChosenJudges,
  model: ChatModel,
  watches: readonly Watch[],
  { output, maxTokens, seed: own, trait: given = [] }: Options,
): Promise<Judge[]> {
  const judges: Judge[] = [];
  const traits = await Promise.all(given.map((one) => loadTrait(one)));
  for (const { name, vector } of watches) {
    const trait =
      traits.find((one) => one.name === vector.trait) ??
      vector.recipe.trait ??
      (await loadTrait(vector.trait));
    const found = await judgesOf(choices, model, trait, vector, {
      run: join(`${output}.screen`, `scale-${encodeURIComponent(name)}`),
      pairs: vector.recipe.judge?.pairs ?? 2,
      maxTokens,
      seed: own,
      signal: session.signal,
    });
    judges.push(found.judges[0]);
  }
  return judges;
}

/** A line of progress for each pass. */
function barsOf(session: Session): {
  step: (label: string, done: number, old: boolean) => void;
  end: () => void;
} {
  let label = '';
  let bar: Progress | undefined;
  let start = 0;
  return {
    step(now, done, old) {
      if (now !== label) {
        bar?.done();
        if (start > 0 && label !== '') session.human(`${label}: ${count(start)} were there already`);
        [label, bar, start] = [now, undefined, 0];
      }
      if (old && now !== 'writing') {
        start = done;
        return;
      }
      bar ??= session.progress({ label, unit: 'answers', start });
      bar.update(done);
    },
    end: () => bar?.done(),
  };
}
