/**
 * From measurements to 0–100.
 *
 * Trait: the probability that the answer was written under the positive instructions rather than the negative ones,
 * from the contrasts of the trait's own rollouts taken as two normal distributions of equal spread. Where the two
 * sides do not differ, every score comes out near 50: what cannot be told apart is not told apart.
 *
 * Coherence: 100 for text no more surprising to the unsteered model than its own usual answers, 0 for those answers
 * with their words in random order, straight between. Text that is far too predictable, or repeats its phrases, loses
 * coherence too. Where order hardly matters (answers of one word), the scale still reaches beyond ordinary answers.
 */

import { z } from 'zod';
import { PersonaError } from '../errors.ts';
import { auc, dPrime } from '../math/auc.ts';
import { deviation, mean } from '../math/statistics.ts';
import type { Judgement } from './judge.ts';
import type { Measurement } from './measure.ts';
import { freshness } from './repetition.ts';

export interface Calibration {
  trait: {
    /** contrast that scores 50 */
    midpoint: number;
    /** log-odds for each unit of contrast */
    slope: number;
    /** how well the contrast tells the two sides apart */
    dPrime: number;
    auc: number;
    rollouts: number;
  };
  coherence: {
    /** surprise of the usual answers, and its deviation */
    usual: number;
    deviation: number;
    /** surprise of the same words in random order */
    shuffled: number;
  };
}

/** Of a scale that comes back from a file. */
export const calibrationSchema: z.ZodType<Calibration> = z.object({
  trait: z.object({
    midpoint: z.number(),
    slope: z.number(),
    dPrime: z.number(),
    auc: z.number(),
    rollouts: z.number(),
  }),
  coherence: z.object({ usual: z.number(), deviation: z.number(), shuffled: z.number() }),
});

export interface CalibrationData {
  positive: readonly Measurement[];
  negative: readonly Measurement[];
  /** surprises of the model's usual answers, and of the same with their words in random order */
  usual: readonly number[];
  shuffled: readonly number[];
}

/** Below this the two sides are too alike for scores to mean much. */
const WEAK_D_PRIME = 0.5;
/** Ordinary answers lie within this many deviations of the usual surprise. */
const ORDINARY = 3;
/** Of the contrasts of a side; less is answers that are all one. Keeps the figures finite. */
const LEAST_SPREAD = 1e-9;

/**
 * @throws PersonaError EMPTY_SIDE when a side has fewer than two answers, the sides cannot be told apart, or the model
 * has no usual answer
 */
export function calibrate(data: CalibrationData): Calibration {
  const pos = data.positive.map((m) => m.contrast);
  const neg = data.negative.map((m) => m.contrast);
  if (pos.length < 2 || neg.length < 2) {
    throw new PersonaError(
      'EMPTY_SIDE',
      `the judge has ${pos.length} positive and ${neg.length} negative answers to learn its scale from; it needs two of each`,
      {
        remedy: 'ask more questions (--questions) or more samples (--samples)',
      },
    );
  }
  if (data.usual.length === 0) {
    throw new PersonaError('EMPTY_SIDE', 'without an instruction the model answers nothing at all', {
      remedy: 'use a model made for chat, or questions that it answers',
    });
  }
  const apart = mean(pos) - mean(neg);
  const spread = Math.max(LEAST_SPREAD, Math.sqrt((deviation(pos) ** 2 + deviation(neg) ** 2) / 2));
  if (!(apart > 0)) {
    throw new PersonaError(
      'EMPTY_SIDE',
      'answers under positive instructions are no likelier to show the trait than those under negative ones',
      {
        remedy:
          'this model does not follow these instructions: use a larger one, or reword the instructions of the trait',
      },
    );
  }
  return {
    trait: {
      midpoint: (mean(pos) + mean(neg)) / 2,
      slope: apart / spread ** 2,
      dPrime: Math.min(dPrime(pos, neg), apart / LEAST_SPREAD),
      auc: auc(pos, neg),
      rollouts: pos.length + neg.length,
    },
    coherence: {
      usual: mean(data.usual),
      deviation: data.usual.length > 1 ? deviation(data.usual) : 0,
      shuffled: mean(data.shuffled.length > 0 ? data.shuffled : data.usual),
    },
  };
}

/** A sentence for people when the scale is a weak one. */
export function calibrationWarning(calibration: Calibration): string | undefined {
  const { dPrime: d } = calibration.trait;
  if (d >= WEAK_D_PRIME) return undefined;
  return `the judge can hardly tell the two sides apart (d′ ${d.toFixed(2)}): scores stay near 50 and mean little`;
}

/** @param answer the text that was measured */
export function judgementOf(
  answer: string,
  measurement: Measurement | undefined,
  calibration: Calibration,
): Judgement {
  if (!measurement) return { trait: null, coherence: null, reason: 'empty answer' };
  return {
    trait: traitScore(measurement.contrast, calibration),
    coherence: coherenceScore(measurement.surprise, calibration) * freshness(answer),
  };
}

/** 100 / (1 + exp(−slope · (contrast − midpoint))) */
export function traitScore(contrast: number, calibration: Calibration): number {
  const { slope, midpoint } = calibration.trait;
  return 100 / (1 + Math.exp(-slope * (contrast - midpoint)));
}

export function coherenceScore(surprise: number, calibration: Calibration): number {
  const { usual, deviation: spread, shuffled } = calibration.coherence;
  const low = Math.max(usual - ORDINARY * spread, usual / 2);
  if (surprise < low) return 100 * Math.max(0, surprise / low);
  if (surprise <= usual) return 100;
  const incoherent = Math.max(shuffled, usual + ORDINARY * spread, 1.5 * usual);
  return 100 * Math.max(0, (incoherent - surprise) / (incoherent - usual));
}
