/** A judge that somebody chose, made ready to score one trait. */

import type { Calibration } from '../judge/calibrate.ts';
import type { Judge } from '../judge/judge.ts';
import { LIKELIHOOD, likelihoodJudge } from '../judge/likelihood.ts';
import type { ChatModel } from '../model/chat-model.ts';
import type { Trait } from '../trait/trait.ts';
import { calibrationOf, type CalibrationOptions } from './calibration-of.ts';
import type { JudgeChoice } from './score.ts';
import type { PersonaVector } from './vector.ts';

/**
 * The likelihood judge takes the scale of the vector, or learns one from a few rollouts, which are kept in the folder.
 * @param model that judges by likelihood; asked for only then
 * @param options `pairs` of instructions for one answer, and of learning a scale
 */
export async function judgeFor(
  choice: JudgeChoice,
  model: () => ChatModel | Promise<ChatModel>,
  trait: Trait,
  vector: PersonaVector | undefined,
  options: CalibrationOptions & { pairs: number },
): Promise<{ judge: Judge; calibration?: Calibration }> {
  if (choice !== LIKELIHOOD) return { judge: choice.forTrait(trait) };
  const own = await model();
  const calibration = await calibrationOf(own, trait, vector, options);
  return { judge: likelihoodJudge(own, trait, calibration, options), calibration };
}
