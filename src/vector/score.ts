/**
 * Scores rollouts with a judge of any kind, and makes it ready for the steered answers that follow. The likelihood
 * judge learns its scale from these very rollouts; others are asked about each of them.
 */

import { join } from 'node:path';
import { z } from 'zod';
import { inFlight } from '../engine/in-flight.ts';
import { calibrationWarning, type Calibration } from '../judge/calibrate.ts';
import type { Judge, Judgement, OpenedJudge } from '../judge/judge.ts';
import { LIKELIHOOD, likelihoodJudge } from '../judge/likelihood.ts';
import type { ChatModel } from '../model/chat-model.ts';
import type { Progress } from '../model/progress.ts';
import type { Rollout } from '../rollout/rollout.ts';
import type { Trait } from '../trait/trait.ts';
import { completeLog } from './complete-log.ts';
import { scaleJudge } from './scale.ts';

/** Who scores: the model's own likelihood, or a judge that was opened (`openai:…`, `gguf:…`, `fn:…`). */
export type JudgeChoice = typeof LIKELIHOOD | OpenedJudge;

export function judgeName(choice: JudgeChoice): string {
  return choice === LIKELIHOOD ? LIKELIHOOD : choice.name;
}

/** Answers that a judge elsewhere is asked about at a time; it has a limit of its own. */
export const JUDGING_IN_FLIGHT = 32;

export interface Scored {
  /** the same judge, for other answers */
  judge: Judge;
  /** by rollout id */
  judgements: Map<string, Judgement>;
  /** of the likelihood judge */
  calibration?: Calibration;
}

export interface ScoreOptions {
  /** folder of the run, where scores are kept; those it holds are not asked for again */
  run: string;
  /** instruction pairs that the likelihood judge uses for a rollout, and for a steered answer later */
  pairs: number;
  laterPairs: number;
  seed: number;
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: Progress) => void) | undefined;
  onNote?: ((note: string) => void) | undefined;
}

/** One line of judgements.jsonl. */
interface JudgedLine extends Judgement {
  judge: string;
  id: string;
}

const judgedSchema: z.ZodType<JudgedLine> = z.object({
  judge: z.string(),
  id: z.string(),
  trait: z.number().nullable(),
  coherence: z.number().nullable(),
  reason: z.string().optional(),
}) as z.ZodType<JudgedLine>;

/** A judge that did not answer may do so when the run goes on. */
export function isSettled({ reason }: { reason?: string | undefined }): boolean {
  return !reason?.startsWith('failed');
}

/** @throws PersonaError EMPTY_SIDE when the likelihood judge cannot learn its scale, and what the judge throws */
export async function scoreRollouts(
  model: ChatModel,
  trait: Trait,
  rollouts: readonly Rollout[],
  choice: JudgeChoice,
  options: ScoreOptions,
): Promise<Scored> {
  if (choice === LIKELIHOOD) {
    const path = join(options.run, 'measurements.jsonl');
    const { calibration, judgements } = await scaleJudge(model, trait, rollouts, path, options);
    const warning = calibrationWarning(calibration);
    if (warning) options.onNote?.(warning);
    const judge = likelihoodJudge(model, trait, calibration, { pairs: options.laterPairs });
    return { judge, judgements, calibration };
  }
  const judge = choice.forTrait(trait);
  const sided = rollouts.filter(({ side }) => side !== 'none'); // the usual answers only make a baseline
  const items = sided.map((rollout) => ({ judge: judge.name, id: rollout.id, rollout }));
  const ask = async (
    { rollout, ...of }: (typeof items)[number],
    signal: AbortSignal,
  ): Promise<JudgedLine> => ({
    ...of,
    ...(await judge.judge(rollout, signal)),
  });
  const lines = await completeLog<(typeof items)[number], JudgedLine>(join(options.run, 'judgements.jsonl'), {
    schema: judgedSchema,
    keyOf: ({ judge: name, id }) => `${name}/${id}`,
    counts: isSettled,
    items,
    make: (missing) => inFlight(missing, JUDGING_IN_FLIGHT, ask, options.signal),
    label: `judging (${judge.name})`,
    unit: 'answers',
    onProgress: options.onProgress,
  });
  const failed = lines.filter((line) => !isSettled(line)).length;
  if (failed > 0)
    options.onNote?.(
      `${judge.name} failed on ${failed} of ${sided.length} answers: the same command asks again`,
    );
  const judgements = new Map(lines.map(({ judge: _name, id, ...judgement }) => [id, judgement]));
  return { judge, judgements };
}
