/** The judges that a verb asks for, opened for one trait: outside ones, and the model itself as the likelihood judge. */

import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import { PersonaError } from '../../errors.ts';
import type { Judge, JudgeUsage, OpenedJudge } from '../../judge/judge.ts';
import { LIKELIHOOD, likelihoodJudge } from '../../judge/likelihood.ts';
import { JUDGE_FORMS, openJudge } from '../../judge/open.ts';
import { loadTrait } from '../../trait/load.ts';
import type { Trait } from '../../trait/trait.ts';
import { isSameTrait } from '../../vector/calibration-of.ts';
import { readVector } from '../../vector/file.ts';
import { vectorPath } from '../../vector/find.ts';
import { checkFit } from '../../vector/fit.ts';
import type { PersonaVector } from '../../vector/vector.ts';
import { addModelOptions, type ModelOptions, openModel, stepsOf } from './model-options.ts';
import { integer, repeated } from './options.ts';
import type { Session } from './run.ts';
import { count } from './text.ts';

export interface JudgeOptions extends ModelOptions {
  judge: string[];
  trait?: string;
  vector?: string;
  concurrency?: number;
  requestsPerMinute?: number;
  cache: boolean;
}

/** Instruction pairs that the likelihood judge uses, where the vector does not say. */
const PAIRS = 2;
/** Room for a prompt and an answer of the model that judges by likelihood. */
const CONTEXT = 2048;

export function addJudgeOptions(command: Command): Command {
  command
    .requiredOption('--judge <judge>', `${JUDGE_FORMS}, or likelihood; may be repeated`, repeated(String))
    .option('--trait <trait>', "a trait's name or file (default: that of the vector)")
    .option(
      '--vector <vector>',
      "where the trait and likelihood's scale come from (default: vector.gguf beside FILE)",
    );
  return addModelOptions(addAskingOptions(command));
}

/** How judges elsewhere are asked. */
export function addAskingOptions(command: Command): Command {
  return command
    .option(
      '--concurrency <n>',
      'requests to a judge at a time (default: 16)',
      integer({ min: 1, max: 1000 }),
    )
    .option('--requests-per-minute <n>', 'to a judge, at most so many', integer({ min: 1 }))
    .option('--no-cache', 'ask judges again what they were asked before');
}

/** What a judge's scores are about: the trait, and the vector that may know more of it. */
export interface Subject {
  trait: Trait;
  vector: { path: string; vector: PersonaVector } | undefined;
}

export async function subjectOf(file: string, options: JudgeOptions): Promise<Subject> {
  const beside = join(dirname(file), 'vector.gguf');
  const path =
    options.vector !== undefined ? await vectorPath(options.vector) : existsSync(beside) ? beside : undefined;
  const vector = path === undefined ? undefined : { path, vector: await readVector(path) };
  if (options.trait !== undefined) return { trait: await loadTrait(options.trait), vector };
  if (vector === undefined) {
    throw new PersonaError('USAGE', `which trait? There is no vector.gguf beside ${file} that would tell`, {
      remedy: 'Give --trait, or --vector.',
    });
  }
  const { recipe, trait } = vector.vector;
  return { trait: recipe.trait ?? (await loadTrait(trait)), vector };
}

export interface OpenJudges extends AsyncDisposable {
  judges: { spec: string; judge: Judge }[];
  /** of all together */
  usage(): JudgeUsage;
}

export async function openJudges(
  session: Session,
  specs: readonly string[],
  { trait, vector }: Subject,
  options: JudgeOptions,
): Promise<OpenJudges> {
  await using opened = new AsyncDisposableStack();
  const outside: OpenedJudge[] = [];
  const judges: OpenJudges['judges'] = [];
  for (const spec of specs) {
    if (spec === LIKELIHOOD) {
      const calibration = scaleIn(trait, vector);
      const model = opened.use(await openModel(session, options, { context: CONTEXT }));
      const note = checkFit(vector!.vector, model.identity, vector!.path);
      if (note) session.human(note);
      const pairs = vector!.vector.recipe.judge?.pairs ?? PAIRS;
      judges.push({ spec, judge: likelihoodJudge(model, trait, calibration, { pairs }) });
    } else {
      const judge = opened.use(await openOutside(session, spec, options));
      outside.push(judge);
      judges.push({ spec, judge: judge.forTrait(trait) });
    }
  }
  const held = opened.move();
  return {
    judges,
    usage: () => sum(outside.map((judge) => judge.usage())),
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

/** A judge that is no likelihood judge, with the loading of a local one shown. */
export async function openOutside(
  session: Session,
  spec: string,
  options: Pick<JudgeOptions, 'concurrency' | 'requestsPerMinute' | 'cache'> & ModelOptions,
): Promise<OpenedJudge> {
  const { concurrency, requestsPerMinute, cache, model: _, ...engine } = options;
  const steps = stepsOf(session);
  try {
    return await openJudge(spec, {
      signal: session.signal,
      onNote: (note) => session.human(note),
      ...(!cache && { cache: false }),
      client: { concurrency, requestsPerMinute },
      engine: {
        parallel: engine.parallel,
        context: engine.context,
        threads: engine.threads,
        gpuLayers: engine.gpuLayers,
        cacheType: engine.cacheType,
        offline: engine.offline,
        onProgress: steps.report,
        onLoadProgress: (share) =>
          steps.report({ label: 'loading the judge', done: Math.round(share * 100), total: 100, unit: '%' }),
      },
    });
  } finally {
    steps.end();
  }
}

function scaleIn(
  trait: Trait,
  found: Subject['vector'],
): NonNullable<PersonaVector['recipe']['calibration']> {
  if (found === undefined) {
    throw new PersonaError(
      'USAGE',
      'the likelihood judge has no scale: there is no vector that it was learned with',
      {
        remedy: 'Give a vector of this trait and model with --vector; `persona extract` makes one.',
      },
    );
  }
  const { recipe } = found.vector;
  if (recipe.calibration === undefined) {
    throw new PersonaError('BAD_VECTOR', `${found.path}: holds no scale for the likelihood judge`, {
      remedy: '`persona sweep` on this vector learns one and stores it.',
    });
  }
  if (recipe.trait !== undefined && !isSameTrait(recipe.trait, trait)) {
    throw new PersonaError(
      'BAD_VECTOR',
      `${found.path}: its scale is for ${recipe.trait.name}, not for this ${trait.name}`,
      {
        remedy: 'Leave --trait out, or give a vector of that trait.',
      },
    );
  }
  return recipe.calibration;
}

function sum(usages: readonly JudgeUsage[]): JudgeUsage {
  const total: JudgeUsage = { requests: 0, cached: 0, promptTokens: 0, completionTokens: 0 };
  for (const { requests, cached, promptTokens, completionTokens, cost } of usages) {
    total.requests += requests;
    total.cached += cached;
    total.promptTokens += promptTokens;
    total.completionTokens += completionTokens;
    if (cost !== undefined) total.cost = (total.cost ?? 0) + cost;
  }
  return total;
}

/** '' where nothing was asked. */
export function usageText({ requests, cached, promptTokens, completionTokens, cost }: JudgeUsage): string {
  if (requests + cached === 0) return '';
  const tokens = promptTokens + completionTokens;
  return [
    `${count(requests)} requests`,
    `${count(cached)} answers known from before`,
    `${count(tokens)} tokens`,
    ...(cost === undefined ? [] : [`$${cost.toFixed(4)}`]),
  ].join(', ');
}
