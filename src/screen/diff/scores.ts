/** What a judge says of both models' greedy answers to the same prompts, and how far its scores moved. */

import { join } from 'node:path';
import { z } from 'zod';
import { inFlight } from '../../engine/in-flight.ts';
import type { Judgement } from '../../judge/judge.ts';
import { bootstrapMean, type Interval } from '../../math/bootstrap.ts';
import { signFlip } from '../../math/sign-flip.ts';
import type { ChatModel } from '../../model/chat-model.ts';
import type { Progress } from '../../model/progress.ts';
import { inFlightLimit } from '../../rollout/ask.ts';
import type { Trait } from '../../trait/trait.ts';
import { completeLog } from '../../vector/complete-log.ts';
import { judgeFor } from '../../vector/judge-for.ts';
import { isSettled, JUDGING_IN_FLIGHT, type JudgeChoice } from '../../vector/score.ts';
import type { PersonaVector } from '../../vector/vector.ts';

/** One score, 0–100, on both models; of the answers that have it on both. */
export interface ScoreChange {
  base: Interval;
  tuned: Interval;
  change: Interval;
  p: number;
}

export interface TraitScores {
  trait: ScoreChange;
  coherence: ScoreChange;
}

export interface AnswerToJudge {
  /** which model and prompt */
  key: string;
  question: string;
  answer: string;
}

export interface JudgingOptions {
  run: string;
  /** instruction pairs of the likelihood judge */
  pairs: number;
  maxTokens: number;
  seed: number;
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: Progress) => void) | undefined;
}

interface ScoreLine extends Judgement {
  trait_name: string;
  judge: string;
  key: string;
}

const lineSchema = z.object({
  trait_name: z.string(),
  judge: z.string(),
  key: z.string(),
  trait: z.number().nullable(),
  coherence: z.number().nullable(),
  reason: z.string().optional(),
}) as z.ZodType<ScoreLine>;

/**
 * Scores every answer for a trait; those in scores.jsonl are not asked for again. The likelihood judge is the base
 * itself, on the scale of the vector, or on one learned from a few rollouts of the base.
 * @param model the base, where the judge needs it
 * @returns by the answers' keys
 */
export async function scoreAnswers(
  answers: readonly AnswerToJudge[],
  choice: JudgeChoice,
  trait: Trait,
  vector: PersonaVector | undefined,
  model: ChatModel | undefined,
  options: JudgingOptions,
): Promise<Map<string, Judgement>> {
  const scale = { ...options, run: join(options.run, `scale-${trait.name}`) };
  const { judge } = await judgeFor(choice, () => model!, trait, vector, scale);
  const items = answers.map((answer) => ({ trait_name: trait.name, judge: judge.name, ...answer }));
  const limit = model ? inFlightLimit(model) : JUDGING_IN_FLIGHT;
  const ask = async (
    { trait_name, judge: name, key, ...item }: (typeof items)[number],
    signal: AbortSignal,
  ): Promise<ScoreLine> => ({ trait_name, judge: name, key, ...(await judge.judge(item, signal)) });
  const lines = await completeLog<(typeof items)[number], ScoreLine>(join(options.run, 'scores.jsonl'), {
    schema: lineSchema,
    keyOf: ({ trait_name, judge: name, key }) => `${name}/${trait_name}/${key}`,
    counts: isSettled,
    items,
    make: (missing) => inFlight(missing, limit, ask, options.signal),
    label: `judging ${trait.name}`,
    unit: 'answers',
    onProgress: options.onProgress,
  });
  return new Map(lines.map(({ trait_name: _name, judge: _judge, key, ...judgement }) => [key, judgement]));
}

/** @param pairs of one prompt each */
export function scoreChanges(pairs: readonly { base: Judgement; tuned: Judgement }[]): TraitScores {
  const change = (score: 'trait' | 'coherence'): ScoreChange => {
    const both = pairs.flatMap(({ base, tuned }) =>
      base[score] === null || tuned[score] === null ? [] : [[base[score], tuned[score]] as const],
    );
    const moved = both.map(([before, after]) => after - before);
    return {
      base: bootstrapMean(both.map(([before]) => before)),
      tuned: bootstrapMean(both.map(([, after]) => after)),
      change: bootstrapMean(moved),
      p: signFlip(moved),
    };
  };
  return { trait: change('trait'), coherence: change('coherence') };
}
