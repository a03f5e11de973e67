/** `persona eval`: how much of a trait a model's answers have, steered or not. */

import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import type { Edit } from '../engine/request.ts';
import { PersonaError } from '../errors.ts';
import { writeWhole } from '../files/write-whole.ts';
import { LIKELIHOOD } from '../judge/likelihood.ts';
import { usualTemperature } from '../rollout/ask.ts';
import { planEvaluation } from '../rollout/plan-evaluation.ts';
import type { Side } from '../rollout/rollout.ts';
import { evaluateTrait, type EvaluationSetting } from '../steer/evaluate.ts';
import { evaluationCsv } from '../steer/evaluation-csv.ts';
import { summariseEvaluation } from '../steer/evaluation-summary.ts';
import { formatSpec, parseSpec, type SteerSpec } from '../steer/spec.ts';
import { loadTrait } from '../trait/load.ts';
import type { Trait } from '../trait/trait.ts';
import { usualRunFolder } from '../vector/extract.ts';
import { judgeName } from '../vector/score.ts';
import { usualSizes } from '../vector/usual-sizes.ts';
import { registerEvalMonitor } from './eval-monitor.ts';
import { contextFor } from './extract.ts';
import { checkOutput, folderOfCsv, openEvaluationFolder } from './kit/evaluation-folder.ts';
import { evaluationText } from './kit/evaluation-text.ts';
import { describe } from './kit/help.ts';
import { addJudgeOption, judgesOf, openJudges, type JudgeOptions } from './kit/judge-options.ts';
import { addModelOptions, openModel, stepsOf, type ModelOptions } from './kit/model-options.ts';
import { integer, number, repeated, seed } from './kit/options.ts';
import { run, type Session } from './kit/run.ts';
import { planSteering, SPEC_HELP, steerModel } from './kit/steering-options.ts';

interface Options extends ModelOptions, JudgeOptions {
  steer?: SteerSpec[];
  compare?: true;
  side?: Side;
  assistant?: string;
  traits?: string[];
  questions?: number;
  samples?: number;
  maxTokens?: number;
  temperature?: number;
  seed: number;
  output?: string;
  run?: string;
  overwrite?: true;
}

/** Answers of the reference to each question, where a GPU writes them. */
const MANY_SAMPLES = 10;
const UNSTEERED = 'unsteered';

const EXAMPLES = [
  { does: 'what the model is like as it is', line: 'persona eval evil --model qwen.gguf -o evil.csv' },
  {
    does: 'what steering does, also to another trait',
    line: 'persona eval evil --steer evil=-1.5 --compare --traits sycophancy',
  },
  {
    does: 'whether a projection predicts the trait',
    line: 'persona eval monitor evil --vector evil.gguf',
  },
];

export function registerEval(program: Command): void {
  const evaluation = program
    .command('eval')
    .description("answer a trait's evaluation questions, steered or not, and score the answers")
    .helpCommand(false)
    .configureHelp({ showGlobalOptions: true, subcommandTerm: (sub) => `${sub.name()} ${sub.usage()}` });
  // options of its own would be taken from those of `eval monitor`: they belong to a command that is there by default
  const command = evaluation
    .command('<trait>', { isDefault: true })
    .argument('<trait>', 'a shipped trait, or the path of a trait file')
    .usage('[options]')
    .description("answer a trait's evaluation questions, steered or not, and score the answers")
    .addOption(
      new Option(
        '--steer <spec>',
        'VECTOR[=COEFFICIENT][@LAYER][:add|ablate|cap][/SCOPE]; may be repeated',
      ).argParser(repeated((text) => parseSpec(text))),
    )
    .option('--compare', 'also unsteered, side by side')
    .addOption(
      new Option(
        '--side <side>',
        "under the trait's instructions of this side (default: under none)",
      ).choices(['pos', 'neg']),
    )
    .option('--assistant <adjective>', "the assistant's, in those instructions (default: the trait's own)")
    .option('--traits <list>', 'side effects: other traits scored on the same answers', (text) =>
      text.split(','),
    )
    .option(
      '--questions <n>',
      'evaluation questions asked (default: 10, on a GPU 20)',
      integer({ min: 1, max: 20 }),
    )
    .option('--samples <n>', 'answers to each (default: 1, on a GPU 10)', integer({ min: 1, max: 1000 }))
    .option('--max-tokens <n>', 'longest answer (default: 64, on a GPU 200)', integer({ min: 1 }))
    .option('--temperature <t>', 'default: 0 for one sample, 1 for several', number({ min: 0, max: 10 }))
    .option('--seed <n>', 'of all sampling', seed, 0)
    .option('-o, --output <file>', 'the CSV (default: answers.csv in the folder)')
    .option(
      '--run <folder>',
      'where answers go, and where a killed run goes on (default: beside the CSV, or runs/TRAIT-MODEL-eval)',
    )
    .option('--overwrite', 'begin anew where there is an evaluation with another configuration');
  addJudgeOption(command);
  addModelOptions(command);
  registerEvalMonitor(evaluation);
  describe(command, 'Measure', EXAMPLES);
  command.addHelpText('after', SPEC_HELP);
  evaluation.addHelpText('after', () => command.helpInformation());
  describe(evaluation, 'Measure', EXAMPLES);
  evaluation.addHelpText('after', SPEC_HELP);
  command.action(run(verb, { resumes: true }));
}

async function verb(session: Session, name: string, options: Options): Promise<void> {
  const trait = await loadTrait(name);
  const others = await Promise.all((options.traits ?? []).map((other) => loadTrait(other)));
  checkOptions(trait, others, options);
  const overwrite = options.overwrite ?? false;
  const given = options.run ?? (options.output === undefined ? undefined : folderOfCsv(options.output));
  if (options.output !== undefined) checkOutput(options.output, given!, overwrite);
  const steering = await planSteering({ steer: options.steer ?? [] });
  await using opened = await openJudges(session, options);
  await using model = await openModel(session, options, {
    parallel: 'many',
    context: contextFor(options.maxTokens ?? 0),
  });

  const { edits, applied, notes } = await steerModel(steering, model.identity);
  for (const note of notes) session.human(note);
  const settings: EvaluationSetting[] = [];
  if (edits.length === 0 || options.compare) settings.push({ name: UNSTEERED, edits: [] });
  if (edits.length > 0) settings.push({ name: steering.specs.map(formatSpec).join(' '), edits });

  const usual = usualSizes(model.engine.info);
  const samples = options.samples ?? (usual.samples === 1 ? 1 : MANY_SAMPLES);
  const questions = options.questions ?? usual.questions;
  const sampling = {
    maxTokens: options.maxTokens ?? usual.maxTokens,
    temperature: options.temperature ?? usualTemperature(samples),
    seed: options.seed,
  };
  const { side, assistant } = options;
  const asked = { questions, samples, side, assistant };
  const folder = given ?? `${usualRunFolder(trait, model)}-eval`;
  const output = options.output ?? join(folder, 'answers.csv');
  const [first, ...second] = opened.choices.map(judgeName);
  const config = {
    what: 'eval',
    traitSha256: sha256(trait),
    model: model.identity,
    settings: settings.map((setting) => setting.name),
    ...(edits.length > 0 ? { applied, editsSha256: editsSha256(edits) } : {}),
    judge: { name: first, ...(first === LIKELIHOOD ? { pairs: usual.judgePairs } : {}) },
    ...(second.length > 0 ? { otherJudges: second } : {}),
    ...(others.length > 0
      ? { sideEffects: others.map((other) => ({ name: other.name, sha256: sha256(other) })) }
      : {}),
    ...asked,
    ...sampling,
  };
  await openEvaluationFolder(folder, config, overwrite);

  const steps = stepsOf(session);
  try {
    const shown = { signal: session.signal, onProgress: steps.report };
    // learned anew, not a vector's: scores must not hang on what is steered with
    const scaling = { ...sampling, ...shown, pairs: usual.judgePairs };
    const { judges } = await judgesOf(opened.choices, model, trait, undefined, { ...scaling, run: folder });
    for (const other of others) {
      const scale = { ...scaling, run: join(folder, `scale-${other.name}`) };
      const own = await judgesOf([opened.choices[0]], model, other, undefined, scale);
      judges.push({ name: other.name, judge: (item, signal) => own.judges[0].judge(item, signal) });
    }
    const path = join(folder, 'answers.jsonl');
    const plan = planEvaluation(trait, asked);
    const rows = await evaluateTrait(model, plan, settings, judges, path, { ...sampling, ...shown });
    const columns = {
      trait: trait.name,
      sideEffects: others.map((other) => other.name),
      judges: second,
      setting: settings.length > 1,
    };
    await writeWhole(output, evaluationCsv(rows, columns));
    const summaries = settings.map((setting) => summariseEvaluation(setting.name, rows));
    steps.end();
    session.result(
      {
        trait: trait.name,
        model: model.identity.name,
        judge: first,
        otherJudges: second,
        settings: summaries,
        steering: applied,
        csv: output,
        run: folder,
      },
      `${evaluationText(trait.name, summaries)}\n\njudge: ${first}\nanswers: ${output}`,
    );
  } finally {
    steps.end();
  }
}

/** @throws PersonaError USAGE */
function checkOptions(
  trait: Trait,
  others: readonly Trait[],
  { assistant, side, compare, steer }: Options,
): void {
  if (assistant !== undefined && side === undefined)
    throw new PersonaError('USAGE', '--assistant is given without --side', {
      remedy:
        'Without a side there is no instruction to name the assistant in: give --side pos or --side neg.',
    });
  if (compare && (steer ?? []).length === 0)
    throw new PersonaError('USAGE', '--compare is given without a --steer', {
      remedy: 'Give what to compare the model with, as in --steer evil=-1.5',
    });
  const names = [trait.name, ...others.map((other) => other.name)];
  const twice = names.find((one, i) => names.indexOf(one) !== i);
  if (twice !== undefined)
    throw new PersonaError('USAGE', `the trait ${twice} is scored already`, {
      remedy: 'Leave it out of --traits.',
    });
}

/** All of the edits, their directions too: a vector made anew under the same name is another configuration. */
function editsSha256(edits: readonly Edit[]): string {
  const hash = createHash('sha256');
  for (const { direction, ...rest } of edits) hash.update(JSON.stringify(rest)).update(direction);
  return hash.digest('hex');
}

function sha256(trait: Trait): string {
  return createHash('sha256').update(JSON.stringify(trait)).digest('hex');
}
