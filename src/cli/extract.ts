/** `persona extract`: from a trait to a persona vector with its report. */

import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { type Command, Option } from 'commander';
import { isPersonaError } from '../errors.ts';
import { calibrationWarning } from '../judge/calibrate.ts';
import type { ChatModel } from '../model/chat-model.ts';
import { readGivenRollouts } from '../rollout/given.ts';
import { askExamples, provenanceOf, reportOf } from '../report/build.ts';
import { writeReport } from '../report/write.ts';
import { loadTrait } from '../trait/load.ts';
import type { Trait } from '../trait/trait.ts';
import { extract, usualRunFolder, type Extraction, type ExtractOptions } from '../vector/extract.ts';
import { extractGiven } from '../vector/extract-given.ts';
import type { Scoring } from '../vector/capability.ts';
import { readCapability } from '../vector/capability-items.ts';
import { answersOfEvidence } from '../vector/evidence/gather.ts';
import { REFUSAL_ANSWERS } from '../vector/evidence/refusal-direction.ts';
import { verdictLine } from '../vector/evidence/verdict.ts';
import { usualSizes } from '../vector/usual-sizes.ts';
import { describe } from './kit/help.ts';
import { addJudgeOption, openJudges, type JudgeOptions } from './kit/judge-options.ts';
import { addModelOptions, openModel, stepsOf, type ModelOptions } from './kit/model-options.ts';
import { integer, number, numbers, range, seed } from './kit/options.ts';
import { run, type Session } from './kit/run.ts';
import { doseTable } from './kit/dose-table.ts';

interface Options extends ModelOptions, JudgeOptions {
  rollouts?: string;
  run?: string;
  output?: string;
  questions?: number;
  samples?: number;
  maxTokens?: number;
  temperature?: number;
  seed: number;
  judgePairs?: number;
  threshold: number;
  minCoherence: number;
  unpaired?: true;
  layers?: number[];
  layerDose?: number;
  coefficients?: number[];
  sweepQuestions?: number;
  evidence?: number;
  capability?: string;
  capabilityBy?: Scoring;
}

/** Tokens of a system instruction and a question, with room to spare. */
const PROMPT_ROOM = 512;

/** Room for a prompt and an answer, little of which stays unused. */
export function contextFor(maxTokens: number): number {
  return Math.max(1024, PROMPT_ROOM + maxTokens);
}

/** Questions of the evaluation set that are answered in the report. */
const EXAMPLES = 3;

export function registerExtract(program: Command): void {
  const command = program
    .command('extract')
    .argument('<trait>', 'a shipped trait, or the path of a trait file')
    .description('find the persona vector of a trait in a model')
    .option(
      '--rollouts <file>',
      'take these answers ({side, prompt, answer} a line) instead of asking and judging',
    )
    .option(
      '--run <folder>',
      'where rows and results go, and where a killed run goes on (default: runs/TRAIT-MODEL)',
    )
    .option('-o, --output <file>', 'also write the vector there')
    .option(
      '--questions <n>',
      'extraction questions asked (default: 10, on a GPU 20)',
      integer({ min: 1, max: 20 }),
    )
    .option('--samples <n>', 'answers to each (default: 1, on a GPU 5)', integer({ min: 1, max: 1000 }))
    .option('--max-tokens <n>', 'longest answer (default: 64, on a GPU 200)', integer({ min: 1 }))
    .option('--temperature <t>', 'default: 0 for one sample, 1 for several', number({ min: 0, max: 10 }))
    .option('--seed <n>', 'of all sampling', seed, 0)
    .option(
      '--judge-pairs <n>',
      'instruction pairs the judge uses for an answer (default: 2)',
      integer({ min: 1, max: 5 }),
    )
    .option('--threshold <score>', 'least trait score of a positive answer', number({ min: 0, max: 100 }), 50)
    .option('--min-coherence <score>', 'least coherence of an answer', number({ min: 0, max: 100 }), 50)
    .option('--unpaired', 'filter each side by itself, not pair by pair')
    .option('--layers <range>', 'layers to try steering at (default: the middle ones)', range)
    .option(
      '--layer-dose <c>',
      'coefficient, up and down, at which layers are compared (default: 2)',
      number({ min: 0.01 }),
    )
    .option('--coefficients <list>', 'tried at the chosen layer (default: -2,-1,0,1,2,3)', numbers)
    .option(
      '--sweep-questions <n>',
      'of those, asked at each setting of the sweep (default: up to 6 for layers, 10 for coefficients; on a GPU 10 and 20)',
      integer({ min: 1, max: 20 }),
    );
  command.option(
    '--evidence <n>',
    'evaluation questions on which evidence for the vector is gathered, 0 for none (default: 10, on a GPU 20)',
    integer({ min: 0, max: 20 }),
  );
  command
    .option(
      '--capability <file>',
      "questions with four choices, MMLU's CSV or JSONL (default: easy ones of ours)",
    )
    .addOption(
      new Option(
        '--capability-by <what>',
        'which choice a model prefers: the likeliest text, or the likeliest letter as MMLU has it',
      ).choices(['text', 'letter']),
    );
  addJudgeOption(command);
  addModelOptions(command);
  describe(command, 'Find', [
    { does: 'with the default model, in a few minutes', line: 'persona extract optimistic' },
    {
      does: "as the paper does it, on a model of one's own",
      line: 'persona extract evil --model qwen.gguf --questions 20 --samples 10 --max-tokens 1000 -o evil.gguf',
    },
    {
      does: 'filtered by an outside judge, with the model itself as a second opinion',
      line: 'persona extract evil --model qwen.gguf --judge openai:gpt-4.1-mini --judge likelihood',
    },
    {
      does: 'from answers that are there already',
      line: 'persona extract kind --model qwen.gguf --rollouts answers.jsonl -o kind.gguf',
    },
  ]);
  command.action(run(verb, { resumes: true }));
}

async function verb(session: Session, name: string, options: Options): Promise<void> {
  const given = options.rollouts;
  const trait = await traitOf(name, given !== undefined);
  if (given !== undefined) return fromGiven(session, name, trait, given, options);
  if (options.capability !== undefined) await readCapability(options.capability); // before the hours of asking
  await using judges = await openJudges(session, options);
  await using model = await openModel(session, options, {
    parallel: 'many',
    context: contextFor(options.maxTokens ?? 0),
  });
  const folder = options.run ?? usualRunFolder(trait!, model);
  session.human(
    `${trait!.name} in ${model.identity.name} (${model.engine.info.devices[0]}); rows go to ${folder}`,
  );
  const sizes = { ...extractOptions(model, folder, options), judges: judges.choices };
  session.human(costLine(trait!, sizes));
  const result = await extractWithReport(session, model, trait!, sizes);
  session.result(
    {
      vector: options.output ?? result.extraction.path,
      trait: trait!.name,
      layer: result.extraction.vector.layer,
      coefficient: result.extraction.vector.coefficient ?? null,
      kept: result.extraction.counts.kept.pos + result.extraction.counts.kept.neg,
      dropped:
        result.extraction.counts.asked -
        result.extraction.counts.kept.pos -
        result.extraction.counts.kept.neg,
      verdict: result.extraction.vector.quality.verdict ?? null,
      report: result.report,
    },
    summary(result.extraction, options.output ?? result.extraction.path, result.report),
  );
}

/** With answers given, the trait's name is all that is needed of it. */
async function traitOf(name: string, nameIsEnough: boolean): Promise<Trait | undefined> {
  try {
    return await loadTrait(name);
  } catch (error) {
    if (nameIsEnough && isPersonaError(error) && error.code === 'NOT_FOUND') return undefined;
    throw error;
  }
}

function extractOptions(model: ChatModel, folder: string, options: Options): ExtractOptions {
  const usual = usualSizes(model.engine.info);
  const questions = options.questions ?? usual.questions;
  const samples = options.samples ?? usual.samples;
  return {
    run: folder,
    output: options.output,
    questions,
    samples,
    maxTokens: options.maxTokens ?? usual.maxTokens,
    temperature: options.temperature,
    seed: options.seed,
    judgePairs: options.judgePairs ?? usual.judgePairs,
    evidence: options.evidence ?? usual.evidence,
    ...(options.capability === undefined && options.capabilityBy === undefined
      ? {}
      : { capability: { path: options.capability, scoring: options.capabilityBy } }),
    filter: {
      threshold: options.threshold,
      coherence: options.minCoherence,
      paired: options.unpaired !== true,
    },
    tune: {
      ...usual.tune,
      layers: options.layers ?? usual.tune.layers,
      layerDose: options.layerDose ?? usual.tune.layerDose,
      coefficients: options.coefficients ?? usual.tune.coefficients,
      layerQuestions: Math.min(usual.tune.layerQuestions, options.sweepQuestions ?? questions),
      questions: options.sweepQuestions ?? Math.min(usual.tune.questions, questions),
    },
  };
}

/** What is going to be done, before it begins. */
export function costLine(trait: Trait, { questions, samples, tune, evidence }: ExtractOptions): string {
  const pairs = trait.instruction.length;
  const asked = questions * (2 * pairs * samples + 1);
  const steered =
    (2 * tune.layers.length + 1) * tune.layerQuestions * tune.samples +
    new Set([...tune.coefficients, 0]).size * tune.questions * tune.samples;
  const proof =
    evidence > 0
      ? `, ${answersOfEvidence(evidence)} as evidence (once for each model ${REFUSAL_ANSWERS} more)`
      : '';
  return `${asked} answers to find it, up to ${steered} steered ones to choose layer and coefficient${proof}`;
}

/** The whole of an extraction, with its progress shown and its report written. */
export async function extractWithReport(
  session: Session,
  model: ChatModel,
  trait: Trait,
  options: ExtractOptions,
): Promise<{ extraction: Extraction; report: string; examples: Awaited<ReturnType<typeof askExamples>> }> {
  const steps = stepsOf(session);
  try {
    const extraction = await extract(model, trait, {
      ...options,
      signal: session.signal,
      onProgress: steps.report,
      onNote: (note) => session.human(note),
    });
    const examples = await askExamples(model, extraction.vector, {
      questions: trait.evaluation.slice(0, EXAMPLES),
      maxTokens: options.maxTokens,
      seed: options.seed,
      signal: session.signal,
      onExample: (done, total) => steps.report({ label: 'examples', done, total, unit: 'answers' }),
    });
    const report = join(options.run, 'report.html');
    const command = `persona ${process.argv.slice(2).join(' ')}`;
    await writeReport(
      report,
      reportOf(trait, extraction, examples, provenanceOf(extraction.vector, options.run, command)),
    );
    return { extraction, report, examples };
  } finally {
    steps.end();
  }
}

function summary(
  { vector, counts, doses, why, calibration }: Extraction,
  path: string,
  report: string,
): string {
  const reasons = counts.dropped.map(({ reason, count }) => `${count} ${reason}`).join(', ');
  const lines = [
    `kept ${counts.kept.pos} positive and ${counts.kept.neg} negative answers of ${counts.asked}${reasons ? ` (${reasons})` : ''}`,
    `judge: ${[vector.recipe.judge!.name, ...(vector.recipe.otherJudges ?? [])].join(', then ')}${calibration ? `, d′ ${calibration.trait.dPrime.toFixed(2)} between the two sides` : ''}`,
    `layer ${vector.layer}: ${why}`,
    doseTable(doses, vector.coefficient),
    ...(vector.quality.verdict ? [verdictLine(vector.quality.verdict)] : []),
    `vector: ${path}`,
    `report: ${report}`,
  ];
  const warning = calibration && calibrationWarning(calibration);
  return [...(warning ? [warning] : []), ...lines].join('\n');
}

async function fromGiven(
  session: Session,
  name: string,
  trait: Trait | undefined,
  path: string,
  options: Options,
): Promise<void> {
  const given = await readGivenRollouts(path); // before the model, which takes its time
  await using model = await openModel(session, options);
  const sha256 = createHash('sha256')
    .update(await readFile(path))
    .digest('hex');
  const traitName = trait?.name ?? name;
  const folder =
    options.run ?? join('runs', `${traitName}-${basename(path).replace(/\.\w+$/, '')}-${sha256.slice(0, 8)}`);
  const steps = stepsOf(session);
  const result = await extractGiven(model, traitName, given, {
    run: folder,
    output: options.output,
    source: { path, sha256 },
    signal: session.signal,
    onProgress: steps.report,
  }).finally(steps.end);
  const { vector, kept, dropped } = result;
  const written = options.output ?? result.path;
  session.result(
    {
      vector: written,
      trait: traitName,
      layer: vector.layer,
      coefficient: vector.coefficient ?? null,
      kept: kept.pos + kept.neg,
      dropped,
      report: null,
    },
    [
      `read ${kept.pos} positive and ${kept.neg} negative answers${dropped > 0 ? `, left out ${dropped} empty ones` : ''}`,
      `layer ${vector.layer} and coefficient ${vector.coefficient}: ${vector.quality.why}`,
      `vector: ${written}`,
    ].join('\n'),
  );
}
