/** `persona eval monitor`: how well a vector's projection predicts the trait before a word is said. */

import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { Command } from 'commander';
import { PersonaError } from '../errors.ts';
import { evaluateMonitor, type MonitorEvaluation } from '../monitor/evaluate.ts';
import { roomForShots } from '../monitor/shots.ts';
import { parseWatch, resolveWatches, type Watch, type WatchSpec } from '../monitor/watch.ts';
import { writeMonitorPage } from '../report/monitor-page.ts';
import { usualTemperature } from '../rollout/ask.ts';
import { loadTrait } from '../trait/load.ts';
import { usualRunFolder } from '../vector/extract.ts';
import { vectorFinder } from '../vector/find.ts';
import { openRunFolder } from '../vector/run-folder.ts';
import { judgeName } from '../vector/score.ts';
import { usualSizes } from '../vector/usual-sizes.ts';
import { direction } from '../vector/vector.ts';
import { contextFor } from './extract.ts';
import { describe } from './kit/help.ts';
import { addJudgeOption, judgesOf, openJudges, type JudgeOptions } from './kit/judge-options.ts';
import { addModelOptions, openModel, stepsOf, type ModelOptions } from './kit/model-options.ts';
import { monitorText } from './kit/monitor-text.ts';
import { integer, number, range, repeated, seed } from './kit/options.ts';
import { run, type Session } from './kit/run.ts';

interface Options extends ModelOptions, JudgeOptions {
  vector?: WatchSpec[];
  run?: string;
  questions?: number;
  samples?: number;
  shots?: number[];
  maxTokens?: number;
  temperature?: number;
  seed: number;
}

const SHOTS = [0, 5, 10, 15, 20]; // paper §7
/** Answers of the reference to each question, where a GPU writes them. */
const MANY_SAMPLES = 10;

export function registerEvalMonitor(evaluation: Command): void {
  const command = evaluation
    .command('monitor')
    .argument('<trait>', 'a shipped trait, or the path of a trait file')
    .description('hold the projection of the last prompt token against the trait in the answers that follow')
    .option(
      '--vector <vector>',
      'VECTOR[@LAYER] to read; may be repeated',
      repeated((text) => parseWatch(text)),
    )
    .option(
      '--questions <n>',
      'evaluation questions asked under each condition (default: 10, on a GPU 20)',
      integer({ min: 1, max: 20 }),
    )
    .option('--samples <n>', 'answers to each (default: 1, on a GPU 10)', integer({ min: 1, max: 1000 }))
    .option('--shots <list>', `earlier exchanges that show the trait (default: ${SHOTS.join(',')})`, range)
    .option('--max-tokens <n>', 'longest answer (default: 64, on a GPU 200)', integer({ min: 1 }))
    .option('--temperature <t>', 'default: 0 for one sample, 1 for several', number({ min: 0, max: 10 }))
    .option('--seed <n>', 'of all sampling', seed, 0)
    .option(
      '--run <folder>',
      'where answers go, and where a killed run goes on (default: runs/TRAIT-MODEL-monitor)',
    );
  addJudgeOption(command);
  addModelOptions(command);
  describe(command, 'Measure', [
    {
      does: 'with graded system prompts and earlier exchanges',
      line: 'persona eval monitor evil --vector evil.gguf',
    },
    {
      does: 'two layers beside each other, system prompts alone',
      line: 'persona eval monitor evil --vector evil.gguf@12 --vector evil.gguf@20 --shots 0',
    },
  ]);
  command.action(run(verb, { resumes: true }));
}

async function verb(session: Session, name: string, options: Options): Promise<void> {
  const trait = await loadTrait(name);
  const specs = options.vector ?? [];
  if (specs.length === 0)
    throw new PersonaError('USAGE', 'no vector to read was given', {
      remedy: 'Give one or several: --vector evil.gguf, --vector evil.gguf@20',
    });
  const shots = options.shots ?? SHOTS;
  const find = vectorFinder();
  for (const { vector } of specs) await find(vector); // before the model, which takes its time
  await using opened = await openJudges(session, options);
  const context = contextFor(options.maxTokens ?? 0) + roomForShots(Math.max(...shots));
  await using model = await openModel(session, options, { parallel: 'many', context });
  const { watches, notes } = await resolveWatches(specs, find, model.identity);
  for (const note of [...notes, ...strangers(watches, trait.name)]) session.human(note);

  const usual = usualSizes(model.engine.info);
  const samples = options.samples ?? (usual.samples === 1 ? 1 : MANY_SAMPLES);
  const sampling = {
    maxTokens: options.maxTokens ?? usual.maxTokens,
    temperature: options.temperature ?? usualTemperature(samples),
    seed: options.seed,
  };
  const folder = options.run ?? `${usualRunFolder(trait, model)}-monitor`;
  const [first, ...second] = opened.choices.map(judgeName);
  await openRunFolder(folder, {
    what: 'eval monitor',
    traitSha256: sha256(JSON.stringify(trait)),
    vectors: watches.map(({ name: watch, vector, layer }) => ({
      name: watch,
      layer,
      directionSha256: sha256(direction(vector, layer)),
    })),
    model: model.identity,
    judge: { name: first, ...(first === 'likelihood' ? { pairs: usual.judgePairs } : {}) },
    ...(second.length > 0 ? { otherJudges: second } : {}),
    ...sampling,
  });

  const steps = stepsOf(session);
  try {
    const shown = { signal: session.signal, onProgress: steps.report };
    const own = watches.find(({ vector }) => vector.trait === trait.name)?.vector;
    const { judges } = await judgesOf(opened.choices, model, trait, own, {
      ...sampling,
      ...shown,
      run: folder,
      pairs: usual.judgePairs,
    });
    const evaluation = await evaluateMonitor(model, trait, watches, judges, {
      ...sampling,
      ...shown,
      run: folder,
      questions: options.questions ?? usual.questions,
      samples,
      shots,
    });
    const page = join(folder, 'monitor.html');
    await writeMonitorPage(page, { model: model.identity, evaluation });
    steps.end();
    for (const note of evaluation.notes) session.human(note);
    session.result(
      { ...documentOf(evaluation), model: model.identity.name, otherJudges: second, run: folder, page },
      `${monitorText(evaluation)}\n\njudge: ${evaluation.judge}\npage: ${page}`,
    );
  } finally {
    steps.end();
  }
}

/** Also the vector of another trait may be tried: it should predict nothing. */
function strangers(watches: readonly Watch[], trait: string): string[] {
  return watches
    .filter(({ vector }) => vector.trait !== trait)
    .map(({ name, vector }) => `${name} is a vector of ${vector.trait}, held against ${trait}`);
}

function documentOf({
  rows,
  ...rest
}: MonitorEvaluation): Omit<MonitorEvaluation, 'rows'> & { answers: number } {
  return { ...rest, answers: rows.length };
}

function sha256(data: string | Float32Array): string {
  return createHash('sha256').update(data).digest('hex');
}
