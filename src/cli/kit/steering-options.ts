/** The options that say what to steer with and what to watch, and the vectors behind them. */

import { type Command, Option } from 'commander';
import type { ModelIdentity } from '../../model/chat-model.ts';
import { parseWatch, resolveWatches, type Watch, type WatchSpec } from '../../monitor/watch.ts';
import {
  type BlockRange,
  type ControlVector,
  type ControlVectorSpec,
  controlVectorSteering,
  parseBlockRange,
  parseControlVectors,
  parseScaledControlVectors,
  readControlVector,
} from '../../steer/control-vector.ts';
import { joinSteering, resolveSteering, type Steering } from '../../steer/resolve.ts';
import { parseSpec, type SteerSpec } from '../../steer/spec.ts';
import { vectorFinder } from '../../vector/find.ts';
import type { PersonaVector } from '../../vector/vector.ts';
import { PersonaError } from '../../errors.ts';
import { repeated } from './options.ts';

export interface SteeringOptions {
  steer?: SteerSpec[];
  monitor?: WatchSpec[];
  controlVector?: ControlVectorSpec[][];
  controlVectorScaled?: ControlVectorSpec[][];
  controlVectorLayerRange?: BlockRange;
}

export function addSteeringOptions(command: Command): Command {
  const options = [
    new Option(
      '--steer <spec>',
      'VECTOR[=COEFFICIENT][@LAYER][:add|inc|ablate|cap][/SCOPE]; may be repeated',
    ).argParser(repeated((text) => parseSpec(text))),
    new Option('--monitor <vector>', 'watch VECTOR[@LAYER]; may be repeated').argParser(
      repeated((text) => parseWatch(text)),
    ),
    new Option(
      '--control-vector <files>',
      "FNAME[,FNAME…] as in llama.cpp: any tool's control vector",
    ).argParser(repeated((text) => parseControlVectors(text))),
    new Option('--control-vector-scaled <files>', 'FNAME:SCALE[,FNAME:SCALE…]').argParser(
      repeated(parseScaledControlVectors),
    ),
    new Option(
      '--control-vector-layer-range <first last>',
      'layers of the control vectors, both included',
    ).argParser(parseBlockRange),
  ];
  for (const option of options) command.addOption(option.helpGroup('Steering:'));
  return command;
}

/** How SPEC is written, for the help of verbs that take it. */
export const SPEC_HELP = `
VECTOR is the path of a vector file, or the name of one in the vectors folder (persona vectors ls).
COEFFICIENT is times the vector, or a share of the layer's residual norm (20%); LAYER one layer or several (8-12).
Both are the vector's own where they are left out. SCOPE is response (from the last token of the prompt on),
prompt, all, last_prompt or generated.
  evil=-1.5@14        less of it            evil:ablate       its direction removed
  evil=20%@8-12/all   on several layers     evil=1sd:cap      at most 1 sd above usual; =>=-1sd: at least
  evil=30u            a push of length 30   evil=1:inc        spread over all layers: what it gains at each
  assistant=>=25p@21-26:cap/all             at least the 25th percentile of its calibration, at each layer
`;

/** What was asked for, with its files read: they are looked at before a model is loaded. */
export interface SteeringPlan {
  specs: readonly SteerSpec[];
  watchSpecs: readonly WatchSpec[];
  controls: readonly (ControlVector & { scale: number })[];
  range: BlockRange | undefined;
  find: (nameOrPath: string) => Promise<PersonaVector>;
}

/** @throws PersonaError of the vectors' files */
export async function planSteering(options: SteeringOptions): Promise<SteeringPlan> {
  const find = vectorFinder();
  const { steer = [], monitor = [], controlVector = [], controlVectorScaled = [] } = options;
  const files = [...controlVector, ...controlVectorScaled].flat();
  const range = options.controlVectorLayerRange;
  if (range && files.length === 0)
    throw new PersonaError('USAGE', '--control-vector-layer-range is given without a control vector', {
      remedy: 'Give --control-vector too; a --steer has its layers in itself, as in evil=1@8-12.',
    });
  for (const { vector } of [...steer, ...monitor]) await find(vector);
  const controls: SteeringPlan['controls'][number][] = [];
  for (const { path, scale } of files) controls.push({ ...(await readControlVector(path)), scale });
  return { specs: steer, watchSpecs: monitor, controls, range, find };
}

/** The control vectors and specs of a plan, on a model. */
export async function steerModel(
  plan: SteeringPlan,
  model: ModelIdentity,
  specs: readonly SteerSpec[] = plan.specs,
): Promise<Steering> {
  return joinSteering([
    controlVectorSteering(plan.controls, plan.range, model),
    await resolveSteering(specs, plan.find, model),
  ]);
}

export async function watchModel(
  plan: SteeringPlan,
  model: ModelIdentity,
): Promise<{ watches: Watch[]; notes: string[] }> {
  return await resolveWatches(plan.watchSpecs, plan.find, model);
}
