/** `persona diff`: how far fine-tuning moved a model along persona vectors. */

import { basename, join } from 'node:path';
import { type Command, Option } from 'commander';
import { PersonaError } from '../errors.ts';
import { writeWhole } from '../files/write-whole.ts';
import type { OpenedJudge } from '../judge/judge.ts';
import { LIKELIHOOD } from '../judge/likelihood.ts';
import { parseWatch, type WatchSpec } from '../monitor/watch.ts';
import { writeDiffPage } from '../report/diff-page.ts';
import { diff, type DiffOptions, type DiffResult } from '../screen/diff/diff.ts';
import { checkGateNames } from '../screen/diff/gate-figures.ts';
import { type DiffPrompt, readDiffPrompts, traitPrompts } from '../screen/diff/prompts.ts';
import { namedVectors } from '../screen/diff/vectors.ts';
import { junit } from '../screen/gate-text.ts';
import { diffMarkdown, diffVerdicts } from '../screen/diff/verdicts.ts';
import { type Gate, parseGate } from '../screen/gate.ts';
import { parseSpec, type SteerSpec } from '../steer/spec.ts';
import { loadTrait } from '../trait/load.ts';
import type { Trait } from '../trait/trait.ts';
import { vectorFinder, vectorName } from '../vector/find.ts';
import { contextFor } from './extract.ts';
import { diffText } from './kit/diff-text.ts';
import { describe } from './kit/help.ts';
import { addAskingOptions, openOutside, usageText } from './kit/judges.ts';
import { addEngineOptions, type ModelOptions, stepsOf } from './kit/model-options.ts';
import { integer, repeated, seed } from './kit/options.ts';
import { GATE_NOT_MET, run, type Session } from './kit/run.ts';

interface Options extends Omit<ModelOptions, 'model'> {
  vector?: WatchSpec[];
  trait?: string[];
  prompts?: string;
  questions?: number;
  answers?: true;
  maxTokens: number;
  judge?: string;
  concurrency?: number;
  requestsPerMinute?: number;
  cache: boolean;
  steer?: SteerSpec[];
  failOn?: Gate[];
  junit?: string;
  markdown?: string;
  run?: string;
  seed: number;
}

/** Instruction pairs that the likelihood judge uses for one answer, as in an evaluation. */
const JUDGE_PAIRS = 2;

export function registerDiff(program: Command): void {
  const command = program
    .command('diff')
    .description('how far fine-tuning moved a model along persona vectors')
    .argument('<base>', 'the model before: path, name or hf:owner/repo[:quant]')
    .argument(
      '<tuned...>',
      'after: a model, or a LoRA adapter over the base (FILE or FILE:SCALE); several are a trajectory',
    )
    .option(
      '--vector <vector>',
      'VECTOR[@LAYER] of the base; may be repeated',
      repeated((text) => parseWatch(text)),
    )
    .option(
      '--trait <trait>',
      "whose evaluation questions are read, and what a judge scores; may be repeated (default: the vectors' own traits)",
      repeated((text) => text),
    )
    .option('--prompts <file>', 'read these instead: JSONL with "messages", or "prompt" as rendered text')
    .option(
      '--questions <n>',
      'of each trait, the first so many (default: all)',
      integer({ min: 1, max: 20 }),
    )
    .option('--answers', 'also greedy answers of both models, and the shift of their means')
    .option('--max-tokens <n>', 'longest answer', integer({ min: 1 }), 64)
    .option(
      '--judge <judge>',
      'scores the answers of both: likelihood (the base itself), openai:MODEL, gguf:MODEL or fn:FILE.ts',
    )
    .addOption(
      new Option(
        '--steer <spec>',
        'steer the tuned side: what would this much do? may be repeated',
      ).argParser(repeated((text) => parseSpec(text))),
    )
    .addOption(
      new Option(
        '--fail-on <gate>',
        'exit with 100 when a checkpoint is so, as in "evil: shift > 0.5 sd"; may be repeated',
      ).argParser(repeated((text) => parseGate(text))),
    )
    .option('--junit <file>', 'what came of the gates, as JUnit XML')
    .option('--markdown <file>', 'the summary as Markdown')
    .option(
      '--run <folder>',
      'where reads go, and where a killed run goes on (default: runs/BASE-diff-PROMPTS)',
    )
    .option('--seed <n>', "of the judge's scale", seed, 0);
  addAskingOptions(command);
  addEngineOptions(command);
  describe(command, 'Screen and train', [
    {
      does: 'what an adapter did to a model',
      line: 'persona diff qwen.gguf adapter.gguf --vector evil.gguf --vector sycophancy.gguf',
    },
    {
      does: 'the way of a training run, with answers and a gate for CI',
      line: 'persona diff qwen.gguf out/checkpoint-*.gguf --vector evil --judge likelihood --fail-on "evil: shift > 0.5 sd"',
    },
  ]);
  command.addHelpText(
    'after',
    `
A shift is the mean over prompts of the projection of h_tuned - h_base onto the vector, at the last prompt token: before
a word is said. In sd: of the base's own projections over the prompts.
Figures of a gate: shift (also in sd), p, cosine, norm, relative and spanned (also in %), answer_shift, and the changes
of the judge's scores: trait, coherence.
`,
  );
  command.action(run(verb, { resumes: true }));
}

async function verb(
  session: Session,
  base: string,
  tuned: string[],
  options: Options,
): Promise<typeof GATE_NOT_MET | void> {
  const { failOn = [], vector = [] } = options;
  const traits = await Promise.all((options.trait ?? []).map((one) => loadTrait(one)));
  const { prompts, label } = await promptsOf(options, traits);
  const find = vectorFinder();
  const answered = options.answers === true || options.judge !== undefined;
  const names = (await namedVectors(vector, find)).map(({ name }) => name);
  for (const gate of failOn)
    checkGateNames(gate, names, { answers: answered, judge: options.judge !== undefined });
  if (options.lora)
    throw new PersonaError('USAGE', '--lora would be on both sides', {
      remedy: 'Give the adapter as TUNED: persona diff BASE adapter.gguf',
    });
  const folder =
    options.run ?? join('runs', `${vectorName(base)}-diff-${label}`.replace(/[^\w.\\/-]+/g, '-'));
  await using judge = await openJudge(session, options);
  const steps = stepsOf(session);
  const { parallel, threads, gpuLayers, cacheType, offline, chatTemplate } = options;
  const asked: DiffOptions = {
    run: folder,
    vectors: vector,
    find,
    ...(prompts && { prompts }),
    questions: options.questions,
    traits,
    steer: options.steer ?? [],
    ...(answered && { answers: { maxTokens: options.maxTokens } }),
    ...(judge && { judge: { choice: judge.choice, pairs: JUDGE_PAIRS } }),
    seed: options.seed,
    engine: {
      parallel,
      context: options.context ?? contextFor(answered ? options.maxTokens : 0),
      threads,
      gpuLayers,
      cacheType,
      offline,
      chatTemplate: chatTemplate?.text,
      signal: session.signal,
      onNote: (note) => session.human(note),
      onProgress: steps.report,
      onLoadProgress: (share) =>
        steps.report({ label: 'loading the model', done: Math.round(share * 100), total: 100, unit: '%' }),
    },
  };
  const results: DiffResult[] = [];
  try {
    for await (const result of diff(base, tuned, asked)) results.push(result);
  } finally {
    steps.end();
  }
  const page = join(folder, 'diff.html');
  await writeDiffPage(page, results);
  const found = diffVerdicts(failOn, results);
  if (options.junit !== undefined) await writeWhole(options.junit, junit('diff', base, found));
  if (options.markdown !== undefined) await writeWhole(options.markdown, diffMarkdown(found, results));
  const gates = found.map(({ gate, ...verdict }) => ({ gate: gate.text, ...verdict }));
  const lines = found.map(
    ({ checkpoint, passed, text }) => `${passed ? 'passed' : 'FAILED'}  ${checkpoint}: ${text}`,
  );
  session.result(
    { base, checkpoints: results, ...(gates.length > 0 && { gates }), run: folder, page },
    [diffText(results), '', ...lines, `page: ${page}`].join('\n'),
  );
  return found.some(({ passed }) => !passed) ? GATE_NOT_MET : undefined;
}

/** undefined: those of the vectors' own traits, which the diff itself finds. */
async function promptsOf(
  { prompts, questions }: Options,
  traits: readonly Trait[],
): Promise<{ prompts: DiffPrompt[] | undefined; label: string }> {
  if (prompts !== undefined && questions !== undefined)
    throw new PersonaError('USAGE', '--prompts is given together with --questions', {
      remedy: 'Give either a file of prompts, or how many questions of each trait are read.',
    });
  if (prompts !== undefined)
    return { prompts: await readDiffPrompts(prompts), label: basename(prompts).replace(/\.jsonl$/i, '') };
  if (traits.length === 0) return { prompts: undefined, label: 'traits' };
  return { prompts: traitPrompts(traits, questions), label: traits.map(({ name }) => name).join('-') };
}

interface DiffJudge extends AsyncDisposable {
  choice: typeof LIKELIHOOD | OpenedJudge;
}

async function openJudge(session: Session, options: Options): Promise<DiffJudge | undefined> {
  if (options.judge === undefined) return undefined;
  if (options.judge === LIKELIHOOD) return { choice: LIKELIHOOD, async [Symbol.asyncDispose]() {} };
  const opened = await openOutside(session, options.judge, options);
  return {
    choice: opened,
    async [Symbol.asyncDispose]() {
      const cost = usageText(opened.usage());
      if (cost !== '') session.human(`${opened.name}: ${cost}`);
      await opened[Symbol.asyncDispose]();
    },
  };
}
