/**
 * Fine-tuning with LoRA while a trait's vector is in the residual stream, so that the weights need not learn the trait
 * from data that carries it (paper §5); watched all the way, and stopped where it goes too far.
 */

import { join } from 'node:path';
import { PersonaError } from '../errors.ts';
import { openJsonl } from '../files/jsonl.ts';
import { writeWhole } from '../files/write-whole.ts';
import { mean } from '../math/statistics.ts';
import { checkGate, type Gate, type GateFigures } from '../screen/gate.ts';
import type { Adapter } from './adapter.ts';
import { checkpointStep, readCheckpoint } from './checkpoint.ts';
import { factorPlaces } from '../engine/training/factors.ts';
import { CHECKPOINT, type Look } from './job.ts';
import { besideFirst, logPath, readLog, type TrainLine, type TrainLook } from './log.ts';
import { planTraining, type TrainOptions, type TrainPlan } from './plan.ts';
import { runJob, type Told } from './process.ts';
import { adapterOf } from './trained.ts';

export type { TrainLook, WatchedShift } from './log.ts';
export type { TrainOptions, TrainPlan } from './plan.ts';

export type TrainEvent =
  | { type: 'planned'; plan: TrainPlan }
  | Exclude<Told, { type: 'look' | 'done' }>
  | ({ type: 'look' } & TrainLook)
  | { type: 'gate'; gate: Gate; text: string }
  | { type: 'done'; result: TrainResult };

export interface TrainResult {
  adapter: Adapter;
  step: number;
  steps: number;
  /** a gate was not met, or somebody stopped it */
  stopped: 'gate' | 'signal' | undefined;
  /** before and at the end */
  first: TrainLook | undefined;
  last: TrainLook | undefined;
  /** mean loss of the last tenth of the steps */
  loss: number;
  /** bytes: largest memory of a pass, and of the whole process at the end */
  passBytes: number;
  residentBytes: number;
  plan: TrainPlan;
}

/** Share of the steps whose mean loss is told as the last. */
const LAST_SHARE = 0.1;

/**
 * Trains, and goes on where a killed run with the same settings was.
 *
 *     for await (const event of train({ data: ['data.jsonl'], run: 'runs/mine', steer: [parseSpec('evil=3')] }))
 *       if (event.type === 'step') console.log(event.step, event.loss);
 *
 * The last event is `done`. An aborted signal ends it after the step under way, with what there is; so does a gate.
 * @throws PersonaError of planTraining; CANARY where an edit does not reach the model; ENGINE_FAILED where a loss is not
 * finite, with step and row
 */
export async function* train(options: TrainOptions): AsyncGenerator<TrainEvent> {
  const plan = await planTraining(options);
  const { job } = plan;
  yield { type: 'planned', plan };
  const gates = options.gates ?? [];
  for (const gate of gates) checkGateNames(gate, plan);

  const before = await readLog(options.run);
  const saved = await checkpointStep(join(options.run, CHECKPOINT), job.key);
  const losses = new Map<number, number>();
  let first: Look | undefined;
  let last: Look | undefined;
  let failed: { gate: Gate; text: string } | undefined;
  const stop = new AbortController();
  const signal = AbortSignal.any([stop.signal, ...(options.signal ? [options.signal] : [])]);
  const keep = (line: TrainLine): void => {
    if (line.kind === 'step') losses.set(line.step, line.loss);
    else {
      first ??= line;
      last = line;
    }
  };
  const broken = (seen: TrainLook): typeof failed => {
    const figures = figuresOf(seen);
    const gate = gates.find((one) => !checkGate(one, figures).passed);
    return gate && { gate, text: checkGate(gate, figures).text };
  };
  // the log is to hold just what led to the state that the run goes on from
  const kept = saved === undefined ? [] : before.filter(({ step }) => step <= saved);
  kept.forEach(keep);
  if (saved !== undefined && first?.step !== 0)
    throw new PersonaError(
      'BAD_FILE',
      `${logPath(options.run)} no longer holds how the model was before training`,
      {
        remedy: 'Delete the folder of the run to begin anew.',
      },
    );
  await writeWhole(logPath(options.run), kept.map((line) => `${JSON.stringify(line)}\n`).join(''));
  const log = await openJsonl(logPath(options.run));
  try {
    // a run that a gate had stopped does not go a step further
    failed = first && last && broken(besideFirst(plan, first, last));
    if (failed) {
      stop.abort();
      yield { type: 'gate', ...failed };
    }
    for await (const told of runJob(job, signal)) {
      switch (told.type) {
        case 'step': {
          const { type, ...step } = told;
          keep({ kind: 'step', ...step });
          await log.append({ kind: type, ...step });
          yield told;
          break;
        }
        case 'look': {
          const { type, ...look } = told;
          keep({ kind: 'look', ...look });
          await log.append({ kind: type, ...look });
          const seen = besideFirst(plan, first!, look);
          yield { type: 'look', ...seen };
          const found = failed ? undefined : broken(seen);
          if (found) {
            failed = found;
            stop.abort();
            yield { type: 'gate', ...found };
          }
          break;
        }
        case 'done': {
          const from = told.step - Math.max(1, Math.round(plan.steps * LAST_SHARE));
          const tail = [...losses].filter(([step]) => step > from).map(([, loss]) => loss);
          yield {
            type: 'done',
            result: {
              adapter: await adapterFrom(plan),
              step: told.step,
              steps: plan.steps,
              stopped: failed ? 'gate' : told.stopped ? 'signal' : undefined,
              first: first && besideFirst(plan, first, first),
              last: last && besideFirst(plan, first!, last),
              loss: mean(tail),
              passBytes: told.passBytes,
              residentBytes: told.residentBytes,
              plan,
            },
          };
          break;
        }
        default:
          yield told;
      }
    }
  } finally {
    await log.close();
  }
}

async function adapterFrom({ job, recipe }: TrainPlan): Promise<Adapter> {
  const lengths = factorPlaces(job.architecture, recipe).map(({ inputs, outputs }) => inputs * outputs);
  const state = await readCheckpoint(join(job.folder, CHECKPOINT), job.key, lengths);
  if (state === undefined)
    throw new PersonaError('NOT_FOUND', `${job.folder}: the checkpoint of the run is gone`);
  return adapterOf(job.architecture, recipe, state.values);
}

/** Of the first set of prompts: the evaluation questions, or those that the user gave. */
function figuresOf({ shifts, heldLoss }: TrainLook): Record<string, GateFigures> {
  const [set] = shifts.map(({ prompts }) => prompts);
  return Object.fromEntries(
    shifts
      .filter(({ prompts }) => prompts === set)
      .map(({ name, shift, sd }) => [
        name,
        { shift, sd, ...(heldLoss !== undefined && { held_loss: heldLoss }) },
      ]),
  );
}

/** Before hours of work: whether a gate is about something that will be looked at. */
function checkGateNames(gate: Gate, { watches, counts }: TrainPlan): void {
  if (watches.length === 0)
    throw new PersonaError('USAGE', `${gate.text}: nothing is watched`, {
      remedy: 'Name the vector: --watch VECTOR.',
    });
  const figures = { shift: 0, sd: 1, ...(counts.held > 0 && { held_loss: 0 }) };
  checkGate(gate, Object.fromEntries(watches.map(({ name }) => [name, figures])));
}
