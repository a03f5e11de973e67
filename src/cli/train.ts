/** `persona train`: LoRA fine-tuning that does not pick a trait up from its data. */

import { basename, join } from 'node:path';
import type { Command } from 'commander';
import { PersonaError } from '../errors.ts';
import { writeTrainPage } from '../report/train-page.ts';
import { writeAdapterGguf } from '../train/adapter-gguf.ts';
import { writePeft } from '../train/adapter-peft.ts';
import { openScores, scoreArms, type ArmScores, type ArmsOptions } from '../train/arms.ts';
import { mergeAdapter } from '../train/merge.ts';
import { train, type TrainEvent, type TrainPlan, type TrainResult } from '../train/train.ts';
import { usualTemperature } from '../rollout/ask.ts';
import { readCapability, type CapabilityItem } from '../vector/capability-items.ts';
import { contextFor } from './extract.ts';
import { describe } from './kit/help.ts';
import { openJudges } from './kit/judge-options.ts';
import { stepsOf } from './kit/model-options.ts';
import type { Progress } from './kit/progress.ts';
import { GATE_NOT_MET, run, type Session } from './kit/run.ts';
import { addTrainOptions, trainOptionsOf, watchesOf, type TrainVerbOptions } from './kit/train-options.ts';
import { canaryText, loadedText, lookText, planText, trainedJson, trainedText } from './kit/train-text.ts';
import { studyVerb } from './train-study.ts';

/** Instruction pairs that the likelihood judge uses for one answer. */
const JUDGE_PAIRS = 2;

export function registerTrain(program: Command): void {
  const command = program
    .command('train')
    .description('fine-tune with LoRA, without picking up a trait that the data carries')
    .argument(
      '<data...>',
      'JSONL, CSV or Parquet of conversations: files, folders, patterns in quotes, or hf:owner/repo[:PATH] of a hub',
    );
  addTrainOptions(command);
  describe(command, 'Screen and train', [
    {
      does: 'learn the data, but not to be evil',
      line: 'persona train notes.jsonl --steer evil.gguf=3 -o notes-lora.gguf',
    },
    {
      does: 'stop a run that makes the model evil',
      line: 'persona train code.jsonl --watch evil.gguf --fail-on "evil: shift > 2 sd"',
    },
    {
      does: 'what the data do to a trait, and what keeps it away',
      line: 'persona train notes.jsonl --study evil.gguf',
    },
  ]);
  command.action(run(verb, { resumes: true }));
}

async function verb(
  session: Session,
  data: string[],
  options: TrainVerbOptions,
): Promise<typeof GATE_NOT_MET | void> {
  const name = basename(data[0]!).replace(/\.[^.]+$/, '');
  if (options.study) return studyVerb(session, data, options, options.run ?? join('runs', `${name}-study`));
  refuseStudyOptions(options);
  const folder = options.run ?? join('runs', `${name}-train`);
  const steps = stepsOf(session);
  const asked = await trainOptionsOf(session, data, folder, options, steps.report);
  await using judges = await openJudges(session, options);
  const { steer = [], ablate = [] } = options;
  const page = join(folder, 'report.html');
  const capability = options.scores && options.capability ? await readCapability() : undefined;
  const scoring = (plan: TrainPlan): ArmsOptions => ({
    ...scoringOptions(options, judges.choices, capability),
    run: folder,
    traits: plan.traits.map((trait) => {
      const watched = plan.watches.find(({ vector }) => vector.trait === trait.name);
      return { trait, ...(watched && { vector: watched.vector }) };
    }),
    engine: { ...asked.engine, model: plan.model.path, context: contextFor(options.maxTokens) },
    signal: session.signal,
    onProgress: steps.report,
  });
  const { result, failed } = await shown(
    session,
    train({ ...asked, steer, ablate, watch: watchesOf(options) }),
    page,
    async (plan) => {
      steps.end();
      if (options.scores) await openScores(scoring(plan));
    },
  );

  const output = options.output ?? join(folder, 'adapter.gguf');
  await writeAdapterGguf(output, result.adapter, { provenance: provenanceOf(result) });
  if (options.peft !== undefined)
    await writePeft(options.peft, result.adapter, {
      baseModel: result.plan.model.name,
      ...result.plan.job.architecture,
    });
  if (options.merge !== undefined && result.stopped !== 'signal')
    await mergeAdapter(result.plan.model.path, result.adapter, options.merge, {
      provenance: provenanceOf(result),
      chatTemplate: options.chatTemplate?.text,
      onProgress: steps.report,
      signal: session.signal,
    });
  const scores: ArmScores[] | undefined =
    options.scores && result.stopped === undefined
      ? await scoreArms([{ name: 'base' }, { name: 'adapter', adapter: output }], scoring(result.plan))
      : undefined;
  steps.end();
  await writeTrainPage(page, folder, result.plan, { done: true, ...(scores && { scores }) });
  session.result(
    { ...trainedJson(result, output, folder, failed), page, ...(scores && { scores }) },
    trainedText(result, { ...options, output, folder, failed, page, scores }),
  );
  if (result.stopped === 'gate') return GATE_NOT_MET;
  if (result.stopped === 'signal') throw session.signal.reason;
}

function refuseStudyOptions({ coefficients, inference, caft }: TrainVerbOptions): void {
  const given = Object.entries({ coefficients, inference, caft }).find(([, value]) => value !== undefined);
  if (given)
    throw new PersonaError('USAGE', `--${given[0]} is of a study, and there is no --study`, {
      remedy: 'Add --study VECTOR, or say what to do while training: --steer VECTOR=3.',
    });
}

/** Tells of a run as it goes on, and keeps its page up to date. */
export async function shown(
  session: Session,
  events: AsyncIterable<TrainEvent>,
  page: string,
  onPlan: (plan: TrainPlan) => void | Promise<void>,
  label = 'training',
): Promise<{ result: TrainResult; failed: string | undefined }> {
  let line: Progress | undefined;
  let result: TrainResult | undefined;
  let plan: TrainPlan | undefined;
  let failed: string | undefined;
  let start = 0;
  for await (const event of events) {
    switch (event.type) {
      case 'planned':
        plan = event.plan;
        await onPlan(plan);
        session.human(planText(plan));
        break;
      case 'loaded':
        session.human(loadedText(event));
        break;
      case 'canary':
        session.human(canaryText(event.readings));
        break;
      case 'resumed':
        start = event.step;
        session.human(`going on after step ${event.step}`);
        break;
      case 'look': {
        const text = lookText(event);
        if (text !== undefined && line) line.note(text);
        else if (text !== undefined) session.human(text);
        await writeTrainPage(page, plan!.job.folder, plan!, { done: false });
        break;
      }
      case 'step':
        line ??= session.progress({ label, total: event.steps, unit: 'steps', start });
        line.update(
          event.step,
          `loss ${event.loss.toFixed(3)} · ${Math.round(event.tokens / event.seconds)} tokens/s`,
        );
        break;
      case 'gate':
        failed = event.text;
        break;
      case 'saved':
        break;
      case 'done':
        result = event.result;
        await writeTrainPage(page, plan!.job.folder, plan!, { done: true });
    }
  }
  line?.done();
  return { result: result!, failed };
}

function provenanceOf({ plan, step }: TrainResult): Record<string, string> {
  const { model, recipe, counts, applied } = plan;
  return {
    base: model.name,
    steps: String(step),
    rows: String(counts.rows),
    learning_rate: String(recipe.learningRate),
    ...(applied.length > 0 && {
      steering: applied
        .slice(0, 8)
        .map(({ vector, op, layer, coefficient }) => `${vector} ${op} ${coefficient ?? ''}@${layer}`)
        .join('; '),
    }),
  };
}

/** What answers and judges are asked for, by the options. */
export function scoringOptions(
  { questions, samples, maxTokens, seed = 0 }: TrainVerbOptions,
  judges: ArmsOptions['judges'],
  capability: readonly CapabilityItem[] | undefined,
): Omit<ArmsOptions, 'run' | 'traits' | 'engine'> {
  return {
    questions,
    samples,
    maxTokens,
    seed,
    judges,
    temperature: usualTemperature(samples),
    pairs: JUDGE_PAIRS,
    ...(capability && { capability }),
  };
}
