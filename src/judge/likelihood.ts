/**
 * The judge that needs no other model and no key: how much likelier the answer is under the trait's positive
 * instructions than under the negative ones, told by the unsteered model itself. The model that answers also judges, so
 * a score of this judge is no outside opinion; its name stands beside every score it gives.
 */

import { random } from '../math/random.ts';
import type { ChatModel } from '../model/chat-model.ts';
import type { Trait } from '../trait/trait.ts';
import { judgementOf, type Calibration } from './calibrate.ts';
import type { Judge } from './judge.ts';
import { measure, type MeasureOptions } from './measure.ts';

export const LIKELIHOOD = 'likelihood';

export function likelihoodJudge(
  model: ChatModel,
  trait: Trait,
  calibration: Calibration,
  options: MeasureOptions,
): Judge {
  return {
    name: LIKELIHOOD,
    async judge(item, signal) {
      return judgementOf(item.answer, await measure(model, trait, item, options, signal), calibration);
    },
  };
}

/** The words of a text in random order: what incoherence is measured by. */
export function shuffleWords(text: string, seed: number): string {
  const words = text.split(/\s+/).filter((word) => word !== '');
  random(seed).shuffle(words);
  return words.join(' ');
}
