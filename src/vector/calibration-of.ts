/** The judge's scale for a vector: the one it was extracted with, or one learned from a few rollouts of its trait. */

import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Calibration } from '../judge/calibrate.ts';
import type { ChatModel } from '../model/chat-model.ts';
import type { Progress } from '../model/progress.ts';
import { askRollouts } from '../rollout/ask.ts';
import { planNeutral, planRollouts, type PlannedRollout } from '../rollout/plan.ts';
import { rolloutSchema, type Rollout } from '../rollout/rollout.ts';
import type { Trait } from '../trait/trait.ts';
import { completeLog } from './complete-log.ts';
import { scaleJudge } from './scale.ts';
import type { PersonaVector } from './vector.ts';

/** Questions asked under each instruction to learn a scale: 40 answers, a minute on a laptop with a small model. */
const QUESTIONS = 4;
const JUDGE_PAIRS = 2;

export interface CalibrationOptions {
  run: string;
  maxTokens: number;
  seed: number;
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: Progress) => void) | undefined;
}

export async function calibrationOf(
  model: ChatModel,
  trait: Trait,
  vector: PersonaVector | undefined,
  options: CalibrationOptions,
): Promise<Calibration> {
  const { calibration: stored, trait: own } = vector?.recipe ?? {};
  if (stored && own && isSameTrait(own, trait) && vector?.model.sha256 === model.identity.sha256)
    return stored;
  const sizes = { questions: QUESTIONS, samples: 1 };
  const plan = [...planRollouts(trait, sizes), ...planNeutral(trait, sizes)];
  const ask = async function* (missing: readonly PlannedRollout[]): AsyncGenerator<Rollout> {
    for await (const { rollout } of askRollouts(model, missing, { ...options, temperature: 0 }))
      yield rollout;
  };
  const rollouts = await completeLog<PlannedRollout, Rollout>(join(options.run, 'rollouts.jsonl'), {
    schema: rolloutSchema,
    keyOf: ({ id }) => id,
    items: plan,
    make: ask,
    label: 'asking',
    unit: 'rollouts',
    onProgress: options.onProgress,
  });
  const scale = await scaleJudge(model, trait, rollouts, join(options.run, 'measurements.jsonl'), {
    pairs: JUDGE_PAIRS,
    ...options,
  });
  return scale.calibration;
}

/** The same instructions and questions make the same scale, whatever else a trait file says. */
export function isSameTrait(a: Trait, b: Trait): boolean {
  return isDeepStrictEqual(askedOf(a), askedOf(b));
}

/** All of a trait that the model gets to see while the scale is learned. */
function askedOf({ assistant, instruction, questions }: Trait): Partial<Trait> {
  return { assistant, instruction, questions };
}
