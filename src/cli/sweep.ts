/** `persona sweep`: what a vector does at chosen layers and coefficients, and which of them to use. */

import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import { PersonaError } from '../errors.ts';
import type { Calibration } from '../judge/calibrate.ts';
import { LIKELIHOOD, likelihoodJudge } from '../judge/likelihood.ts';
import { loadTrait } from '../trait/load.ts';
import type { Trait } from '../trait/trait.ts';
import { measureBaseline } from '../vector/baseline.ts';
import { calibrationOf, isSameTrait } from '../vector/calibration-of.ts';
import { chooseCoefficient, chooseLayer } from '../vector/choose.ts';
import { summarise } from '../vector/dose.ts';
import { readVector, writeVector } from '../vector/file.ts';
import { checkFit } from '../vector/fit.ts';
import { openRunFolder } from '../vector/run-folder.ts';
import { checkLayers, runGrid } from '../vector/tune.ts';
import { planSweep } from '../vector/sweep.ts';
import { usualSizes } from '../vector/usual-sizes.ts';
import type { PersonaVector, Recipe } from '../vector/vector.ts';
import { doseTable } from './kit/dose-table.ts';
import { contextFor } from './extract.ts';
import { describe } from './kit/help.ts';
import { addModelOptions, openModel, stepsOf, type ModelOptions } from './kit/model-options.ts';
import { integer, number, numbers, range, seed } from './kit/options.ts';
import { run, type Session } from './kit/run.ts';

interface Options extends ModelOptions, JudgeOptions {
  trait?: string;
  run?: string;
  layers?: number[];
  coefficients?: number[];
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
    .argument('<vector>', 'a vector file')
    .description('steer at layers and coefficients, judge the answers, and store the best in the vector')
    .option('--trait <trait>', "a trait file or name (default: the vector's own)")
    .option('--layers <range>', "default: the vector's layer", range)
    .option('--coefficients <list>', 'default: -2,-1,0,1,2,3', numbers)
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
  ]);
  command.action(run(verb, { resumes: true }));
}

async function verb(session: Session, path: string, options: Options): Promise<void> {
  const vector = await readVector(path);
  const trait = options.trait === undefined ? await traitOf(vector, path) : await loadTrait(options.trait);
  await using model = await openModel(session, options, { context: contextFor(options.maxTokens) });
  const note = checkFit(vector, model.identity, path);
  if (note) session.human(note);
  const usual = usualSizes(model.engine.info);
  const layers = options.layers ?? [vector.layer ?? Math.round(0.55 * (model.identity.layers - 1))];
  checkLayers(layers, model);
  const coefficients = [...new Set([...(options.coefficients ?? usual.tune.coefficients), 0])].sort(
    (a, b) => a - b,
  );
  const { samples, maxTokens } = options;
  const questions = trait.questions
    .slice(0, options.questions ?? usual.questions)
    .map((question, questionIndex) => ({ question, questionIndex }));
  const temperature = options.temperature ?? (samples === 1 ? 0 : 1);
  const folder = options.run ?? `${path.replace(/\.gguf$/, '')}.sweep`;
  const context = { maxTokens, temperature, seed: options.seed };
  await openRunFolder(folder, {
    vector: {
      trait: vector.trait,
      model: vector.model,
      directionsSha256: createHash('sha256').update(vector.directions).digest('hex'),
    },
    traitSha256: createHash('sha256').update(JSON.stringify(trait)).digest('hex'),
    model: model.identity,
    judge: { name: LIKELIHOOD, pairs: usual.judgePairs },
    ...context,
  });

  const steps = stepsOf(session);
  try {
    const shown = { signal: session.signal, onProgress: steps.report };
    const calibration = await calibrationOf(model, trait, vector, {
      run: folder,
      maxTokens,
      seed: options.seed,
      ...shown,
    });
    const judge = likelihoodJudge(model, trait, calibration, { pairs: usual.judgePairs });
    const answers = await runGrid(
      model,
      vector.directions,
      [judge],
      join(folder, 'sweep.jsonl'),
      'steering',
      planSweep(layers, coefficients, questions, samples),
      { ...context, ...shown },
    );
    const doses = summarise(answers);
    const unsteered = doses.find((dose) => dose.coefficient === 0)!;
    const steered = doses.filter((dose) => dose.coefficient !== 0);
    const { layer, why } =
      layers.length > 1
        ? chooseLayer(steered, unsteered)
        : { layer: layers[0]!, why: 'the only one asked for' };
    const atLayer = [{ ...unsteered, layer }, ...steered.filter((dose) => dose.layer === layer)].sort(
      (a, b) => a.coefficient - b.coefficient,
    );
    const coefficient = chooseCoefficient(atLayer);
    const baseline =
      vector.baseline ??
      (await measureBaseline(
        model,
        vector.directions,
        answers
          .filter((answer) => answer.coefficient === 0)
          .map(({ question, answer }) => ({
            prompt: model.render([{ role: 'user', content: question }]),
            answer,
          })),
        session.signal,
      ));
    if (options.store) {
      const { coefficient: _before, ...rest } = vector;
      await writeVector(path, {
        ...rest,
        layer,
        ...(coefficient === undefined ? {} : { coefficient }),
        ...(baseline ? { baseline } : {}),
        recipe: recipeWith(vector, trait, calibration, model.identity.sha256),
        quality: {
          ...vector.quality,
          doses: atLayer,
          ...(layers.length > 1 ? { layerDoses: steered } : {}),
          why,
        },
      });
    }
    steps.end();
    const tables = layers.map((b) => {
      const own = steered.filter((dose) => dose.layer === b);
      const rows = [{ ...unsteered, layer: b }, ...own].sort((x, y) => x.coefficient - y.coefficient);
      return `layer ${b}${b === layer && layers.length > 1 ? ` (chosen: ${why})` : ''}\n${doseTable(rows, b === layer ? coefficient : undefined)}`;
    });
    session.result(
      {
        vector: path,
        trait: vector.trait,
        judge: judge.name,
        layer,
        coefficient: coefficient ?? null,
        stored: options.store,
        doses,
      },
      [
        ...tables,
        coefficient === undefined
          ? 'no positive coefficient tried keeps the answers coherent'
          : `layer ${layer}, coefficient ${coefficient}${options.store ? `: stored in ${path}` : ''}`,
      ].join('\n\n'),
    );
  } finally {
    steps.end();
  }
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
