/** What the run found, in one sentence of plain words, computed from the doses alone. */

import { coefficient, fixed, percent, plural } from './format.ts';
import type { Dose, ReportData } from './report-data.ts';

/** Coefficients that differ by less are the same: they have been through arithmetic and JSON. */
const sameCoefficient = 1e-9;

/** The doses that can be spoken of, ascending by coefficient. */
export function measuredDoses(doses: readonly Dose[]): Dose[] {
  return doses
    .filter((dose) => [dose.coefficient, dose.trait.mean, dose.coherence.mean].every(Number.isFinite))
    .toSorted((a, b) => a.coefficient - b.coefficient);
}

export function doseAt(doses: readonly Dose[], at: number): Dose | undefined {
  return doses.find((dose) => Math.abs(dose.coefficient - at) < sameCoefficient);
}

export function finding(data: ReportData): string {
  const doses = measuredDoses(data.doses);
  const [first, second] = doses;
  if (!first) return unsteered(data);
  const clauses = second ? [movement(data, doses), keeping(data, doses)] : [alone(data, first)];
  return `${clauses.filter((clause) => clause !== '').join('; ')}.`;
}

/** From the lowest to the highest coefficient, or to the peak where the highest one has clearly passed it. */
function movement({ chosen }: ReportData, doses: readonly Dose[]): string {
  const [from] = doses;
  const last = doses.at(-1);
  if (!from || !last) return '';
  const peak = doses.slice(1).reduce((best, dose) => (dose.trait.mean > best.trait.mean ? dose : best), last);
  const past = peak.trait.low > Math.max(last.trait.high, from.trait.high);
  const to = past ? peak : last;
  const start = `${fixed(from.trait.mean)} (coefficient\u00a0${coefficient(from.coefficient)})`;
  const end = `${fixed(to.trait.mean)} (${coefficient(to.coefficient)})`;
  const steering = `Steering at layer ${chosen.layer}`;
  if (to.trait.low > from.trait.high) {
    const fall = past
      ? `, past which it falls to ${fixed(last.trait.mean)} (${coefficient(last.coefficient)})`
      : '';
    return `${steering} moves the judged trait from ${start} to ${end}${fall}`;
  }
  if (to.trait.high < from.trait.low) {
    return `${steering} moves the judged trait against its sign, from ${start} down to ${end}`;
  }
  return `${steering} does not clearly move the judged trait: ${start} and ${end} overlap in their 95 % intervals`;
}

/** What the recommended coefficient leaves of the coherence of unsteered answers. */
function keeping({ chosen }: ReportData, doses: readonly Dose[]): string {
  if (chosen.coefficient === 0) return 'no coefficient is recommended';
  const kept = coherenceKept(doses, chosen.coefficient);
  const at = `the recommended coefficient\u00a0${coefficient(chosen.coefficient)}`;
  if (kept === undefined) return `${at} was not measured against unsteered answers`;
  if (kept >= 1) return `answers stay as coherent as unsteered ones at ${at}`;
  return `answers keep ${percent(kept)} of their coherence at ${at}`;
}

/** Coherence at a coefficient over coherence unsteered; undefined where either is missing. */
export function coherenceKept(doses: readonly Dose[], at: number): number | undefined {
  const steered = doseAt(doses, at)?.coherence.mean;
  const baseline = doseAt(doses, 0)?.coherence.mean;
  return steered === undefined || !baseline ? undefined : steered / baseline;
}

function alone({ chosen }: ReportData, dose: Dose): string {
  const scores = `the judged trait is ${fixed(dose.trait.mean)} and coherence ${fixed(dose.coherence.mean)} of 100`;
  if (dose.coefficient === 0)
    return `Without steering ${scores}; no steered dose was measured at layer ${chosen.layer}`;
  return `At layer ${chosen.layer} and coefficient\u00a0${coefficient(dose.coefficient)} ${scores}; there is no other dose to compare with`;
}

function unsteered({ chosen, counts, layers, trait }: ReportData): string {
  const auc = layers.find((row) => row.layer === chosen.layer)?.auc;
  const separation =
    auc !== undefined && Number.isFinite(auc)
      ? ` and tells answers that show the trait from those that do not with an AUC of ${fixed(auc, 2)}`
      : '';
  const source =
    counts.kept > 0 ? ` was made from ${plural(counts.kept, 'rollout')}` : ' comes without its rollouts';
  return `The vector for ${trait} at layer ${chosen.layer}${source}${separation}; steering with it was not measured.`;
}
