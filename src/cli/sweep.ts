/** `persona sweep`: what a vector does at chosen layers and coefficients, and which of them to use. */

import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import type { MeanKind, Scope } from '../engine/request.ts';
import { PersonaError } from '../errors.ts';
import type { Calibration } from '../judge/calibrate.ts';
import { writeSweepPage } from '../report/sweep-page.ts';
import { MEAN_KINDS } from '../rollout/ask.ts';
import { SCOPES } from '../steer/spec.ts';
import { loadTrait } from '../trait/load.ts';
import type { Trait } from '../trait/trait.ts';
import { measureBaseline } from '../vector/baseline.ts';
import { isSameTrait } from '../vector/calibration-of.ts';
import { readVector, writeVector } from '../vector/file.ts';
import { vectorPath } from '../vector/find.ts';
import { checkFit } from '../vector/fit.ts';
import { openRunFolder } from '../vector/run-folder.ts';
import { judgeName } from '../vector/score.ts';
import {
  rawDoses,
  readKinds,
  sweepVector,
  usualOf,
  type Swept,
  type SweptVariant,
} from '../vector/sweep-vector.ts';
import { checkLayers } from '../vector/tune.ts';
import { usualSizes } from '../vector/usual-sizes.ts';
import {
  COEFFICIENT_UNITS,
  SPREADS,
  rawCoefficient,
  variantName,
  type CoefficientUnit,
  type Spread,
  type Variant,
} from '../vector/variants.ts';
import type { PersonaVector, Recipe } from '../vector/vector.ts';
import { contextFor } from './extract.ts';
import { describe } from './kit/help.ts';
import { addJudgeOption, judgesOf, openJudges, type JudgeOptions } from './kit/judge-options.ts';
import { addModelOptions, openModel, stepsOf, type ModelOptions } from './kit/model-options.ts';
import { integer, number, numbers, range, seed, someOf } from './kit/options.ts';
import { run, type Session } from './kit/run.ts';
import { sweepText } from './kit/sweep-text.ts';

interface Options extends ModelOptions, JudgeOptions {
  trait?: string;
  run?: string;
  layers?: number[];
  coefficients?: number[];
  unit: CoefficientUnit;
  kinds?: MeanKind[];
  scopes: Scope[];
  spread: Spread[];
  sideEffects?: string[];
  questions?: number;
  samples: number;
  maxTokens: number;
  temperature?: number;
  seed: number;
  store: boolean;
}

export function registerSweep(program: Command): void {
  const command = program
    .command('sweep')
    .argument('<vector>', 'a vector file or name')
    .description('steer at layers and coefficients, judge the answers, and store the best in the vector')
    .option('--trait <trait>', "a trait file or name (default: the vector's own)")
    .option('--layers <range>', "default: the vector's layer", range)
    .option('--coefficients <list>', 'default: -2,-1,0,1,2,3', numbers)
    .addOption(
      new Option(
        '--unit <unit>',
        "what coefficients count in: times the vector, the push's length, or % of the residual norm",
      )
        .choices(COEFFICIENT_UNITS)
        .default('raw'),
    )
    .option(
      '--kinds <list>',
      `token kinds compared at equal length: ${MEAN_KINDS.join(', ')}`,
      someOf(MEAN_KINDS),
    )
    .option('--scopes <list>', `where in the text: ${SCOPES.join(', ')}`, someOf(SCOPES), ['response'])
    .option('--spread <list>', `over the layers: ${SPREADS.join(', ')}`, someOf(SPREADS), ['single'])
    .option('--side-effects <traits>', 'other traits scored on the same answers', (text) => text.split(','))
    .option(
      '--questions <n>',
      'extraction questions asked at each setting (default: 10, on a GPU 20)',
      integer({ min: 1, max: 20 }),
    )
    .option('--samples <n>', 'answers to each', integer({ min: 1, max: 1000 }), 1)
    .option('--max-tokens <n>', 'longest answer', integer({ min: 1 }), 64)
    .option('--temperature <t>', 'default: 0 for one sample, 1 for several', number({ min: 0, max: 10 }))
    .option('--seed <n>', 'of all sampling', seed, 0)
    .option('--run <folder>', 'where answers go, and where a killed sweep goes on (default: VECTOR.sweep)')
    .option('--no-store', 'leave the vector file as it is');
  addJudgeOption(command);
  addModelOptions(command);
  describe(command, 'Find', [
    {
      does: 'finer steps at the chosen layer',
      line: 'persona sweep optimistic.gguf --coefficients 0,0.5,1,1.5,2,2.5',
    },
    { does: 'other layers', line: 'persona sweep optimistic.gguf --layers 8-20:2 --coefficients=-2,0,2' },
    {
      does: 'one layer, all layers and the incremental vectors side by side, with what they do to another trait',
      line: 'persona sweep optimistic.gguf --spread single,all,incremental --side-effects humorous',
    },
  ]);
  command.action(run(verb, { resumes: true }));
}

async function verb(session: Session, nameOrPath: string, options: Options): Promise<void> {
  const path = await vectorPath(nameOrPath);
  const vector = await readVector(path);
  const trait = options.trait === undefined ? await traitOf(vector, path) : await loadTrait(options.trait);
  const others = await Promise.all((options.sideEffects ?? []).map((name) => loadTrait(name)));
  const variants = variantsOf(vector, options);
  const kinds = await readKinds(
    path,
    vector,
    variants.map(({ kind }) => kind),
  );
  await using opened = await openJudges(session, options);
  await using model = await openModel(session, options, {
    parallel: 'many',
    context: contextFor(options.maxTokens),
  });
  const note = checkFit(vector, model.identity, path);
  if (note) session.human(note);
  const usual = usualSizes(model.engine.info);
  const layers = options.layers ?? [vector.layer ?? Math.round(0.55 * (model.identity.layers - 1))];
  checkLayers(layers, model);
  const coefficients = [...new Set([...(options.coefficients ?? usualCoefficients(options, usual)), 0])].sort(
    (a, b) => a - b,
  );
  const { samples, maxTokens, unit } = options;
  const questions = trait.questions
    .slice(0, options.questions ?? usual.questions)
    .map((question, questionIndex) => ({ question, questionIndex }));
  const temperature = options.temperature ?? (samples === 1 ? 0 : 1);
  const folder = options.run ?? `${path.replace(/\.gguf$/, '')}.sweep`;
  const context = { maxTokens, temperature, seed: options.seed };
  const [first, ...second] = opened.choices.map(judgeName);
  await openRunFolder(folder, {
    vector: {
      trait: vector.trait,
      model: vector.model,
      directionsSha256: createHash('sha256').update(vector.directions).digest('hex'),
    },
    traitSha256: createHash('sha256').update(JSON.stringify(trait)).digest('hex'),
    model: model.identity,
    judge: { name: first, ...(first === 'likelihood' ? { pairs: usual.judgePairs } : {}) },
    ...(second.length > 0 ? { otherJudges: second } : {}),
    ...(others.length > 0 ? { sideEffects: others.map(({ name }) => name) } : {}),
    ...(unit === 'raw' ? {} : { unit }),
    ...context,
  });

  const steps = stepsOf(session);
  try {
    const shown = { signal: session.signal, onProgress: steps.report };
    const scaling = { ...context, ...shown, pairs: usual.judgePairs };
    const { judges, calibration } = await judgesOf(opened.choices, model, trait, vector, {
      ...scaling,
      run: folder,
    });
    for (const other of others) {
      const own = { ...scaling, run: join(folder, `scale-${other.name}`) };
      const {
        judges: [judge],
      } = await judgesOf([opened.choices[0]], model, other, undefined, own);
      judges.push({ ...judge, name: other.name, judge: (item, signal) => judge.judge(item, signal) });
    }
    const swept = await sweepVector(
      model,
      vector,
      kinds,
      judges,
      { run: folder, layers, coefficients, unit, variants, questions, samples },
      { ...context, ...shown },
    );
    const page = join(folder, 'sweep.html');
    await writeSweepPage(page, {
      trait: vector.trait,
      model: model.identity,
      judge: judges[0].name,
      unit,
      swept,
    });
    const own = swept.variants.find(({ name }) => name === '');
    const store = options.store && own !== undefined;
    const chosen = own ?? swept.variants[0]!;
    if (store) {
      const usualAnswers = swept.answers.filter(({ coefficient }) => coefficient === 0);
      const baseline =
        vector.baseline ??
        (await measureBaseline(
          model,
          vector.directions,
          usualAnswers.map(({ question, answer }) => ({
            prompt: model.render([{ role: 'user', content: question }]),
            answer,
          })),
          session.signal,
        ));
      const tuned = withChoice(vector, own, unit);
      await writeVector(path, {
        ...tuned,
        ...(baseline ? { baseline } : {}),
        recipe: calibration ? recipeWith(vector, trait, calibration, model.identity.sha256) : vector.recipe,
      });
    }
    steps.end();
    session.result(
      document(path, vector, judges[0].name, unit, chosen, swept, store, page),
      [
        sweepText(
          swept,
          unit,
          others.map(({ name }) => name),
          session.colors.result,
        ),
        summary(path, chosen, store, page),
      ].join('\n\n'),
    );
  } finally {
    steps.end();
  }
}

function usualCoefficients({ unit }: Options, usual: ReturnType<typeof usualSizes>): readonly number[] {
  if (unit === 'percent') return [-20, -10, 0, 10, 20, 30];
  if (unit === 'raw') return usual.tune.coefficients;
  throw new PersonaError('USAGE', 'lengths differ from model to model, so there are no usual ones', {
    remedy: 'give them: --coefficients=-40,-20,0,20,40',
  });
}

function variantsOf(vector: PersonaVector, { kinds, scopes, spread }: Options): Variant[] {
  return (kinds ?? [vector.kind]).flatMap((kind) =>
    scopes.flatMap((scope) => spread.map((one): Variant => ({ kind, scope, spread: one }))),
  );
}

/** The vector with the layer and coefficient that the sweep chose. */
function withChoice(vector: PersonaVector, own: SweptVariant, unit: CoefficientUnit): PersonaVector {
  const { coefficient: _before, ...rest } = vector;
  const { layer, coefficient, why } = own;
  const tried = new Set(own.steered.map((dose) => dose.layer));
  return {
    ...rest,
    layer,
    ...(coefficient === undefined ? {} : { coefficient: rawCoefficient(vector, unit, layer, coefficient) }),
    quality: {
      ...vector.quality,
      doses: rawDoses(vector, own.doses, unit),
      ...(tried.size > 1 ? { layerDoses: rawDoses(vector, own.steered, unit) } : {}),
      why,
    },
  };
}

function document(
  path: string,
  vector: PersonaVector,
  judge: string,
  unit: CoefficientUnit,
  chosen: SweptVariant,
  { variants, unsteered }: Swept,
  stored: boolean,
  page: string,
): object {
  return {
    vector: path,
    trait: vector.trait,
    judge,
    unit,
    layer: chosen.layer,
    coefficient: chosen.coefficient ?? null,
    stored,
    doses: [unsteered, ...variants.flatMap(({ steered }) => steered)],
    variants: variants.map(({ variant, layer, coefficient = null, why }) => ({
      ...variant,
      name: variantName(variant, usualOf(vector)),
      layer,
      coefficient,
      why,
    })),
    report: page,
  };
}

function summary(path: string, chosen: SweptVariant, stored: boolean, page: string): string {
  const { layer, coefficient } = chosen;
  const best =
    coefficient === undefined
      ? 'no positive coefficient tried keeps the answers coherent'
      : `layer ${layer}, coefficient ${coefficient}${stored ? `: stored in ${path}` : ''}`;
  return `${best}\nheat map: ${page}`;
}

/**
 * What later sweeps need, where the vector was made without it. Another trait or another file of the weights leaves the
 * recipe as it is: they are no part of how the vector was made.
 */
function recipeWith(vector: PersonaVector, trait: Trait, calibration: Calibration, weights: string): Recipe {
  const { recipe } = vector;
  if (weights !== vector.model.sha256) return recipe;
  if (recipe.trait && !isSameTrait(recipe.trait, trait)) return recipe;
  return { ...recipe, trait, calibration };
}

/** The trait as it was when the vector was made; else the shipped one of that name. */
async function traitOf(vector: PersonaVector, path: string): Promise<Trait> {
  if (vector.recipe.trait) return vector.recipe.trait;
  try {
    return await loadTrait(vector.trait);
  } catch (error) {
    throw new PersonaError('NOT_FOUND', `${path}: its trait ${vector.trait} has no questions here`, {
      remedy: 'give the trait file with --trait',
      cause: error,
    });
  }
}
