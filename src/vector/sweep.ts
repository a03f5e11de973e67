/** Steers and judges: the same questions at every setting of layer and coefficient, all settings in one batch. */

import { inFlight } from '../engine/in-flight.ts';
import type { Edit } from '../engine/request.ts';
import type { Judge, JudgeItem, Judgement } from '../judge/judge.ts';
import { LIKELIHOOD } from '../judge/likelihood.ts';
import type { ChatModel } from '../model/chat-model.ts';
import { inFlightLimit } from '../rollout/ask.ts';
import type { SteeredAnswer } from './dose.ts';
import { JUDGING_IN_FLIGHT } from './score.ts';

export interface SweepCell {
  /** the way of steering, where several are compared */
  variant?: string;
  layer: number;
  coefficient: number;
  question: string;
  questionIndex: number;
  sample: number;
}

export interface SweepOptions {
  maxTokens: number;
  temperature: number;
  seed: number;
  signal?: AbortSignal | undefined;
}

/** Every question at every setting. Coefficient 0 is the same at each layer and asked once, at the first. */
export function planSweep(
  layers: readonly number[],
  coefficients: readonly number[],
  questions: readonly { question: string; questionIndex: number }[],
  samples: number,
): SweepCell[] {
  return layers.flatMap((layer, l) =>
    coefficients
      .filter((coefficient) => coefficient !== 0 || l === 0)
      .flatMap((coefficient) =>
        questions.flatMap((question) =>
          Array.from({ length: samples }, (_, sample) => ({ layer, coefficient, ...question, sample })),
        ),
      ),
  );
}

/** A cell's key among the lines of sweep.jsonl, for going on after a kill. Unsteered answers belong to every setting. */
export function cellKey(
  cell: Pick<SweepCell, 'variant' | 'layer' | 'coefficient' | 'questionIndex' | 'sample'>,
): string {
  const variant = cell.variant === undefined ? '' : `${cell.variant}/`;
  const setting = cell.coefficient === 0 ? 'unsteered' : `${variant}${cell.layer}/${cell.coefficient}`;
  return `${setting}/${cell.questionIndex}/${cell.sample}`;
}

/** What is done to the model at a setting. */
export type Steer = (cell: SweepCell) => Edit[];

/** Adds the coefficient times the direction of the layer. */
export function addAt(directions: Float32Array, width: number): Steer {
  return ({ layer, coefficient }) => {
    const direction = directions.subarray(layer * width, (layer + 1) * width);
    return coefficient === 0 ? [] : [{ op: 'add', layer, direction, coefficient }];
  };
}

/**
 * Answers come as they are judged.
 * @param judges the first scores, the others' scores stand beside
 */
export async function* sweep(
  model: ChatModel,
  steer: Steer,
  judges: readonly [Judge, ...Judge[]],
  cells: readonly SweepCell[],
  options: SweepOptions,
): AsyncGenerator<SteeredAnswer> {
  const answer = async (cell: SweepCell, signal: AbortSignal): Promise<SteeredAnswer> => {
    const result = await model.engine.run(
      {
        prompt: model.render([{ role: 'user', content: cell.question }]),
        maxTokens: options.maxTokens,
        // the same seeds at every setting, so that settings differ by the steering alone
        sampling: {
          temperature: options.temperature,
          seed: options.seed + 1000 * cell.questionIndex + cell.sample,
        },
        edits: steer(cell),
      },
      { signal },
    );
    return {
      ...cell,
      answer: result.text,
      ...(await judgeBy(judges, { question: cell.question, answer: result.text }, signal)),
    };
  };
  const elsewhere = judges.some(({ name }) => name !== LIKELIHOOD) ? JUDGING_IN_FLIGHT : 0; // the engine writes on
  yield* inFlight(cells, inFlightLimit(model) + elsewhere, answer, options.signal);
}

/** The first judge's judgement, with those of the others beside it. */
export async function judgeBy(
  judges: readonly [Judge, ...Judge[]],
  item: JudgeItem,
  signal: AbortSignal,
): Promise<Judgement & Pick<SteeredAnswer, 'others'>> {
  const [first, ...others] = await Promise.all(judges.map((judge) => judge.judge(item, signal)));
  if (others.length === 0) return first!;
  return {
    ...first!,
    others: Object.fromEntries(others.map((judgement, i) => [judges[i + 1]!.name, judgement])),
  };
}
