/** Gives the likelihood judge its scale: measures the rollouts of a trait, and the model's usual answers. */

import { z } from 'zod';
import { inFlight } from '../engine/in-flight.ts';
import { calibrate, judgementOf, type Calibration } from '../judge/calibrate.ts';
import type { Judgement } from '../judge/judge.ts';
import { shuffleWords } from '../judge/likelihood.ts';
import { measure, surpriseOf, type MeasureOptions, type Measurement } from '../judge/measure.ts';
import type { ChatModel } from '../model/chat-model.ts';
import type { Progress } from '../model/progress.ts';
import { inFlightLimit } from '../rollout/ask.ts';
import type { Rollout } from '../rollout/rollout.ts';
import type { Trait } from '../trait/trait.ts';
import { completeLog } from './complete-log.ts';

/** One line of measurements.jsonl; no contrast for an empty answer. */
interface MeasuredLine {
  id: string;
  contrast: number | null;
  surprise: number | null;
  /** surprise of the answer's words in random order, of usual answers only */
  shuffled: number | null;
}

const measuredSchema: z.ZodType<MeasuredLine> = z.object({
  id: z.string(),
  contrast: z.number().nullable(),
  surprise: z.number().nullable(),
  shuffled: z.number().nullable(),
});

export interface ScaleOptions extends MeasureOptions {
  seed: number;
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: Progress) => void) | undefined;
}

export interface Scale {
  calibration: Calibration;
  /** by rollout id */
  judgements: Map<string, Judgement>;
}

/**
 * @param path measurements are kept there, and those it holds are not taken again
 * @throws PersonaError EMPTY_SIDE when the scale cannot be learned
 */
export async function scaleJudge(
  model: ChatModel,
  trait: Trait,
  rollouts: readonly Rollout[],
  path: string,
  options: ScaleOptions,
): Promise<Scale> {
  const take = async (rollout: Rollout, signal: AbortSignal): Promise<MeasuredLine> => {
    const usual = rollout.side === 'none';
    const words = shuffleWords(rollout.answer, options.seed + rollout.questionIndex);
    const [values, shuffled] = await Promise.all([
      measure(model, trait, rollout, options, signal),
      usual ? surpriseOf(model, rollout.question, words, signal) : undefined,
    ]);
    return {
      id: rollout.id,
      contrast: values?.contrast ?? null,
      surprise: values?.surprise ?? null,
      shuffled: shuffled ?? null,
    };
  };
  const lines = await completeLog<Rollout, MeasuredLine>(path, {
    schema: measuredSchema,
    keyOf: ({ id }) => id,
    items: rollouts,
    make: (missing) => inFlight(missing, inFlightLimit(model), take, options.signal),
    label: 'judging',
    unit: 'answers',
    onProgress: options.onProgress,
  });
  const measured = new Map(lines.map((line) => [line.id, line]));
  const of = (side: Rollout['side']): MeasuredLine[] =>
    rollouts.filter((rollout) => rollout.side === side).map((rollout) => measured.get(rollout.id)!);
  const calibration = calibrate({
    positive: of('pos')
      .map(toMeasurement)
      .filter((m) => m !== undefined),
    negative: of('neg')
      .map(toMeasurement)
      .filter((m) => m !== undefined),
    usual: of('none')
      .map((line) => line.surprise)
      .filter((x) => x !== null),
    shuffled: of('none')
      .map((line) => line.shuffled)
      .filter((x) => x !== null),
  });
  const judgements = new Map(
    rollouts.map(({ id, answer }) => [
      id,
      judgementOf(answer, toMeasurement(measured.get(id)!), calibration),
    ]),
  );
  return { calibration, judgements };
}

function toMeasurement(line: MeasuredLine): Measurement | undefined {
  return line.contrast === null || line.surprise === null
    ? undefined
    : { contrast: line.contrast, surprise: line.surprise };
}
