/**
 * The vector on questions it never saw: how well the projection of an answer tells the sides apart at each layer. Every
 * answer counts, whatever a judge would say of it: nothing is selected.
 */

import { join } from 'node:path';
import { auc, dPrime } from '../../math/auc.ts';
import { bootstrap, type Interval } from '../../math/bootstrap.ts';
import { project } from '../../math/vector.ts';
import { inFlight } from '../../engine/in-flight.ts';
import type { ChatModel } from '../../model/chat-model.ts';
import { askRollouts, inFlightLimit, readMeans } from '../../rollout/ask.ts';
import { planRollouts, type PlannedRollout } from '../../rollout/plan.ts';
import { rolloutSchema, type Rollout, type RolloutMeans, type Side } from '../../rollout/rollout.ts';
import type { Trait } from '../../trait/trait.ts';
import { openRunLog } from '../run-folder.ts';

/** Instruction pairs under which each question is asked; other questions get other ones. */
export const PAIRS = 2;

export interface HeldOut {
  questions: number;
  answers: number;
  /** per layer; null where it cannot be told */
  auc: (Interval | null)[];
  dPrime: (number | null)[];
}

export interface HeldOutOptions {
  run: string;
  questions: number;
  maxTokens: number;
  seed: number;
  signal?: AbortSignal | undefined;
  onProgress?: ((done: number, total: number) => void) | undefined;
}

/** Evaluation questions under both sides of two pairs each, chosen in turn. */
export function planHeldOut(trait: Trait, questions: number): PlannedRollout[] {
  const all = planRollouts({ ...trait, questions: trait.evaluation }, { questions, samples: 1 });
  const pairs = trait.instruction.length;
  return all.filter(
    ({ questionIndex, instructionIndex }) =>
      (instructionIndex - questionIndex + pairs * questionIndex) % pairs < PAIRS,
  );
}

export interface HeldOutAnswer {
  side: Side;
  questionIndex: number;
  tokens: number;
  /** of the answer's mean activation, per layer */
  projections: Float64Array;
}

/** Asks them, likeliest answers; those that held-out.jsonl has are read again. Empty answers are left out. */
export async function askHeldOut(
  model: ChatModel,
  trait: Trait,
  directions: Float32Array, // (layers × d)
  options: HeldOutOptions,
): Promise<HeldOutAnswer[]> {
  const plan = planHeldOut(trait, options.questions);
  const path = join(options.run, 'held-out.jsonl');
  const { rows, log } = await openRunLog(path, rolloutSchema, (row) => row.id);
  await using _ = log;
  const answers = new Map<string, HeldOutAnswer>();
  let done = 0;
  options.onProgress?.(0, plan.length); // all of them may come at once, after a while
  const take = (rollout: Rollout, { means }: RolloutMeans): void => {
    options.onProgress?.(++done, plan.length);
    const { side, questionIndex, tokens } = rollout;
    if (side === 'none' || !means.response_avg) return;
    const projections = projectionsOf(means.response_avg, directions, model.identity.layers);
    answers.set(rollout.id, { side, questionIndex, tokens, projections });
  };
  const known = new Map(rows.map((row) => [row.id, row]));
  const again = plan.flatMap(({ id }) => known.get(id) ?? []);
  const read = async (rollout: Rollout, signal: AbortSignal): Promise<[Rollout, RolloutMeans]> => [
    rollout,
    await readMeans(model, rollout, signal),
  ];
  for await (const [rollout, means] of inFlight(again, inFlightLimit(model), read, options.signal))
    take(rollout, means);
  const missing = plan.filter(({ id }) => !known.has(id));
  for await (const { rollout, ...means } of askRollouts(model, missing, { ...options, temperature: 0 })) {
    await log.append(rollout);
    take(rollout, means);
  }
  return plan.flatMap(({ id }) => answers.get(id) ?? []);
}

function projectionsOf(mean: Float32Array, directions: Float32Array, layers: number): Float64Array {
  const width = mean.length / layers;
  return Float64Array.from({ length: layers }, (_, b) =>
    project(mean.subarray(b * width, (b + 1) * width), directions.subarray(b * width, (b + 1) * width)),
  );
}

/** AUC with its 95 % interval (questions drawn anew, each with all its answers) and d′, per layer. */
export function heldOutFigures(answers: readonly HeldOutAnswer[], layers: number): HeldOut {
  const byQuestion = [...Map.groupBy(answers, (answer) => answer.questionIndex).values()];
  const at = (list: readonly HeldOutAnswer[], side: Side, b: number): number[] =>
    list.filter((answer) => answer.side === side).map((answer) => answer.projections[b]!);
  const places = Array.from({ length: layers }, (_, b) => b);
  return {
    questions: byQuestion.length,
    answers: answers.length,
    auc: places.map((b) => {
      const sides = byQuestion.map((list) => ({ pos: at(list, 'pos', b), neg: at(list, 'neg', b) }));
      const figure = bootstrap(
        sides.length,
        (drawn) => {
          const chosen = Array.from(drawn, (i) => sides[i]!);
          return auc(
            chosen.flatMap(({ pos }) => pos),
            chosen.flatMap(({ neg }) => neg),
          );
        },
        { resamples: RESAMPLES },
      );
      return Number.isFinite(figure.mean) ? figure : null;
    }),
    dPrime: places.map((b) => {
      const value = dPrime(at(answers, 'pos', b), at(answers, 'neg', b));
      return Number.isFinite(value) ? value : null;
    }),
  };
}

/** Fewer than usual, as there is an interval for every layer. */
const RESAMPLES = 500;
