/** `persona axis`: the assistant axis of a model, from many roles, with the floor that keeps a model at it. */

import { join } from 'node:path';
import type { Command } from 'commander';
import { shellWord } from '../report/format.ts';
import { writeAxisPage } from '../report/axis-page.ts';
import { loadRoles, SHIPPED_ROLES, type RoleSet } from '../rollout/roles.ts';
import { formatSpec } from '../steer/spec.ts';
import { CAP_SHARE, capLayers } from '../vector/axis.ts';
import { USUAL_COSINE, type AxisQuality, type PlacedRole } from '../vector/axis-figures.ts';
import {
  AXIS_TRAIT,
  chooseRoles,
  extractAxis,
  type AxisExtraction,
  type AxisOptions,
} from '../vector/extract-axis.ts';
import { usualAxisSizes } from '../vector/usual-sizes.ts';
import { contextFor } from './extract.ts';
import { describe } from './kit/help.ts';
import { addModelOptions, openModel, stepsOf, type ModelOptions } from './kit/model-options.ts';
import { integer, seed } from './kit/options.ts';
import { run, type Session } from './kit/run.ts';
import { table } from './kit/table.ts';

interface Options extends ModelOptions {
  roles?: string;
  rolesCount?: number;
  questions?: number;
  maxTokens?: number;
  layer?: number;
  seed: number;
  run?: string;
  output?: string;
}

/** Roles shown at each end. */
const SHOWN = 8;

export function registerAxis(program: Command): void {
  const command = program
    .command('axis')
    .description('find the assistant axis of a model: from the roles it can play to itself')
    .option('--roles <file>', 'roles and questions of your own (default: those that ship)')
    .option('--roles-count <n>', 'roles asked (default: 24, on a GPU all)', integer({ min: 2 }))
    .option('--questions <n>', 'questions asked in each role (default: 4, on a GPU 20)', integer({ min: 1 }))
    .option('--max-tokens <n>', 'longest answer (default: 64, on a GPU 200)', integer({ min: 1 }))
    .option('--layer <b>', 'its layer (default: the middle of the depth)', integer({ min: 0 }))
    .option('--seed <n>', 'of all sampling', seed, 0)
    .option(
      '--run <folder>',
      'where rows and results go, and where a killed run goes on (default: runs/axis-MODEL)',
    )
    .option('-o, --output <file>', 'also write the vector there');
  addModelOptions(command);
  describe(command, 'Find', [
    { does: 'on the default model, in a few minutes', line: 'persona axis -o assistant.gguf' },
    {
      does: 'then keep the model from leaving the assistant: a floor under the projection',
      line: "persona generate 'Be a pirate.' --steer 'assistant.gguf=>=25p@21-26:cap/all'",
    },
    {
      does: 'from roles of your own',
      line: 'persona axis --roles roles.json --model qwen.gguf --questions 20',
    },
  ]);
  command.action(run(verb, { resumes: true }));
}

async function verb(session: Session, options: Options): Promise<void> {
  const set = await loadRoles(options.roles); // before the model, which takes its time
  await using model = await openModel(session, options, {
    parallel: 'many',
    context: contextFor(options.maxTokens ?? 0),
  });
  const { identity } = model;
  const usual = usualAxisSizes(model.engine.info);
  const folder = options.run ?? join('runs', `axis-${identity.name.replace(/[^\w.-]+/g, '-')}`);
  const steps = stepsOf(session);
  const settings: AxisOptions = {
    roles: options.rolesCount ?? usual.roles,
    prompts: usual.prompts,
    questions: options.questions ?? usual.questions,
    usualQuestions: usual.usualQuestions,
    maxTokens: options.maxTokens ?? usual.maxTokens,
    seed: options.seed,
    layer: options.layer,
    run: folder,
    output: options.output,
    signal: session.signal,
    onProgress: steps.report,
    onNote: (note) => session.human(note),
  };
  session.human(`assistant axis of ${identity.name} (${model.engine.info.devices[0]}); rows go to ${folder}`);
  session.human(costLine(set, settings, options.roles ?? SHIPPED_ROLES));
  const extraction = await extractAxis(model, set, settings).finally(steps.end);
  const { vector, leftOut } = extraction;
  const path = options.output ?? extraction.path;
  const axis = vector.quality.axis!;
  const layer = vector.layer!;
  const floor = floorSpec(path, identity.layers);
  const report = join(folder, 'axis.html');
  await writeAxisPage(report, {
    vector,
    axis,
    layer,
    leftOut: leftOut.map(({ name }) => name),
    command: `persona generate … --steer ${shellWord(floor)}`,
  });
  const counts = new Map(vector.recipe.axis!.roles.map((role) => [role.name, role]));
  session.result(
    {
      vector: path,
      trait: AXIS_TRAIT,
      layer,
      coefficient: vector.coefficient ?? null,
      roles: axis.roles.map(({ name, projection, sd }) => ({ ...counts.get(name)!, projection, sd })),
      left_out: leftOut,
      first_component: axis.firstComponent[layer] ?? null,
      explained: axis.explained[layer],
      components_for_70: axis.componentsFor70[layer],
      floor,
      report,
    },
    summary(extraction, axis, layer, [
      `vector: ${path}`,
      `report: ${report}`,
      `floor: --steer ${shellWord(floor)}`,
    ]),
  );
}

/** The cap of the source: a quarter of the calibration's tokens lie below the floor, at all tokens of several layers. */
function floorSpec(path: string, layers: number): string {
  return formatSpec({
    vector: path,
    op: 'cap',
    bound: { side: 'below', unit: 'percentile', value: 100 * CAP_SHARE },
    layers: capLayers(layers),
    scope: 'all',
  });
}

/** What is going to be done, before it begins. */
function costLine(set: RoleSet, settings: AxisOptions, source: string): string {
  const { roles, questions, neutral } = chooseRoles(set, settings);
  const prompts = roles.reduce((sum, role) => sum + role.prompts.length, 0);
  const usual = Math.min(set.questions.length, Math.max(questions.length, settings.usualQuestions));
  const where = source === SHIPPED_ROLES ? '' : ` from ${source}`;
  return (
    `${prompts * questions.length} answers in ${roles.length} of ${set.roles.length} roles${where}, ` +
    `${(neutral.length + 1) * usual} as the model usually is`
  );
}

function summary(
  { vector, leftOut }: AxisExtraction,
  axis: AxisQuality,
  layer: number,
  places: readonly string[],
): string {
  const counts = new Map(vector.recipe.axis!.roles.map((role) => [role.name, role]));
  const inRole = [...counts.values()].reduce((sum, { kept }) => sum + kept, 0);
  const asked = [...counts.values()].reduce((sum, role) => sum + role.asked, 0);
  const row = ({ name, projection, sd }: PlacedRole): (string | number)[] => {
    const { kept, asked: all } = counts.get(name)!;
    return [name, plain(projection), sd === null ? '–' : plain(sd), `${kept} of ${all}`];
  };
  const both = axis.roles.length <= 2 * SHOWN;
  const shown = both
    ? axis.roles.map(row)
    : [...axis.roles.slice(0, SHOWN).map(row), ['…'], ...axis.roles.slice(-SHOWN).map(row)];
  const first = axis.firstComponent[layer];
  const shares = axis.explained[layer]!.slice(0, 5).map((share) => `${Math.round(100 * share)} %`);
  return [
    `${inRole} of ${asked} answers are likelier in their role than without it`,
    ...(leftOut.length > 0
      ? [`left out: ${leftOut.map(({ name, kept, asked: all }) => `${name} (${kept} of ${all})`).join(', ')}`]
      : []),
    `roles at layer ${layer}, the most assistant-like first; sd of the usual answers, whose mean is ${plain(vector.baseline!.mean[layer]!)}`,
    table(['role', 'projection', 'sd', 'in role'], shown),
    `first component and axis: cosine ${first == null ? '–' : first.toFixed(2)}; variance by component ${shares.join(', ')}; ${axis.componentsFor70[layer]} hold 70 %`,
    ...(first != null && first < USUAL_COSINE
      ? [
          `note: in the large models of the source that cosine is above ${USUAL_COSINE}; here roles differ mostly in other ways, so see what a floor does before relying on it`,
        ]
      : []),
    ...places,
  ].join('\n');
}

/** Three digits are enough to read. */
function plain(value: number): string {
  return String(Number(value.toPrecision(3)));
}
