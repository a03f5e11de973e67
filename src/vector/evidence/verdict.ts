/** What the evidence comes to, in words: use, use with care because …, do not use because …. */

import type { Dose } from '../dose.ts';
import type { Quality } from '../vector.ts';

export interface Verdict {
  use: 'yes' | 'with care' | 'no';
  /** why not simply yes; empty for yes */
  reasons: string[];
}

/** A difference no longer than one labelling in twenty dealt at random is no difference. */
const MOST_P = 0.05;
/** Halves of the questions that agree less than this share less than half of what they hold. */
const LEAST_SPLIT_HALF = 0.7;
const LEAST_AUC = 0.8;
/** Answers a side below which every figure is loose. */
const FEW = 10;
const LENGTH_EFFECT = 0.5;
/** A cosine by which two traits are steered together. */
const ALIKE = 0.6;
/** Shares of answers, of items. */
const MORE_REFUSALS = 0.25;
const LESS_CAPABLE = 0.1;

/** @param layer the chosen one */
export function verdictOf(quality: Quality, layer: number, coefficient: number | undefined): Verdict {
  const no: string[] = [];
  const care: string[] = [];
  const { permutation, splitHalf, heldOut, counts } = quality;
  const p = permutation?.p[layer];
  if (p != null && p > MOST_P)
    no.push(
      `answers labelled at random differ as much (p = ${p.toFixed(2)}): there may be no difference to find`,
    );
  const auc = heldOut?.auc[layer];
  if (auc && auc.low <= 0.5)
    no.push(`on unseen questions it does not tell the sides apart (AUC ${interval(auc)})`);
  else if (auc && auc.mean < LEAST_AUC)
    care.push(`on unseen questions it tells the sides apart only loosely (AUC ${interval(auc)})`);
  const half = splitHalf?.[layer];
  if (half && half.mean < LEAST_SPLIT_HALF)
    care.push(`half of the questions give a rather different vector (cosine ${half.mean.toFixed(2)})`);
  const kept = counts && Math.min(counts.kept.pos, counts.kept.neg);
  if (kept !== undefined && kept < FEW) care.push(`it is made of ${kept} answers a side`);
  judgeSteering(quality, coefficient, no, care);
  judgeSideEffects(quality, care);
  const { length } = quality;
  if (length && Math.abs(length.mean) >= LENGTH_EFFECT && length.low * length.high > 0)
    care.push(`its projection also tells of the length of answers (r ${interval(length)})`);
  if (no.length > 0) return { use: 'no', reasons: [...no, ...care] };
  return { use: care.length > 0 ? 'with care' : 'yes', reasons: care };
}

function judgeSteering(
  { doses, floor }: Quality,
  coefficient: number | undefined,
  no: string[],
  care: string[],
): void {
  if (!doses) return;
  if (coefficient === undefined) {
    care.push('no positive coefficient tried keeps the answers coherent');
    return;
  }
  const at = (c: number): Dose | undefined => doses.find((dose) => dose.coefficient === c);
  const [steered, usual] = [at(coefficient), at(0)];
  const lowest = doses.reduce((a, b) => (b.coefficient < a.coefficient ? b : a));
  if (!steered || !usual) return;
  if (steered.trait.low <= usual.trait.high && steered.trait.low <= lowest.trait.high)
    no.push(
      `steering does not clearly move the trait (${interval(lowest.trait, 0)} at ${lowest.coefficient}, ${interval(steered.trait, 0)} at ${coefficient})`,
    );
  if (!floor) return;
  const own = steered.trait.mean - usual.trait.mean;
  const theirs = Math.abs(floor.trait.mean - usual.trait.mean);
  const down = usual.trait.mean - lowest.trait.mean;
  if (Math.max(own, down) <= theirs)
    care.push(`unrelated directions of equal length move the score as much (${theirs.toFixed(0)} points)`);
}

function judgeSideEffects({ similar, refusals, capability }: Quality, care: string[]): void {
  for (const { trait, cosine } of similar ?? []) {
    if (Math.abs(cosine) >= ALIKE)
      care.push(
        `it ${cosine > 0 ? 'also pushes towards' : 'pushes away from'} ${trait} (cosine ${cosine.toFixed(2)})`,
      );
  }
  if (refusals) {
    for (const { requests, unsteered, steered } of refusals) {
      const change = steered.mean - unsteered.mean;
      if (Math.abs(change) >= MORE_REFUSALS)
        care.push(
          `${requests} requests are refused ${percent(steered.mean)} of the time instead of ${percent(unsteered.mean)}`,
        );
    }
  }
  if (capability && capability.unsteered.mean - capability.steered.mean >= LESS_CAPABLE)
    care.push(
      `capability falls from ${percent(capability.unsteered.mean)} to ${percent(capability.steered.mean)}`,
    );
}

/** Use. · Use with care: …; … · Do not use: …; … */
export function verdictLine({ use, reasons }: Verdict): string {
  if (use === 'yes') return 'Use: nothing measured speaks against it.';
  return `${use === 'no' ? 'Do not use' : 'Use with care'}: ${reasons.join('; ')}.`;
}

function interval({ mean, low, high }: { mean: number; low: number; high: number }, digits = 2): string {
  return `${mean.toFixed(digits)}, 95 % ${low.toFixed(digits)} to ${high.toFixed(digits)}`;
}

function percent(share: number): string {
  return `${Math.round(100 * share)} %`;
}
