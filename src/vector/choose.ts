/**
 * Which layer to steer at, and how much (paper §4.5, with the coherence bar that it reports by but does not choose by).
 *
 * Layer: the one where equal doses up and down move the trait most, among those whose answers stay coherent; of
 * several doses, the largest that leaves some layer coherent. The distance between both doses, and not the height of
 * the upper one, because a model that already shows a trait (most are optimistic) has no room above.
 * Coefficient: the largest positive one up to which coherence stays above the bar.
 */

import { PersonaError } from '../errors.ts';
import type { Dose } from './dose.ts';

/** Share of the unsteered coherence that steering must keep. */
const COHERENCE_BAR = 0.75;

export interface LayerChoice {
  layer: number;
  why: string;
}

/**
 * @param doses steered ones, the same at each layer; one that has no opposite is compared with unsteered answers
 * @throws PersonaError EMPTY_SIDE when no steered answer could be judged
 */
export function chooseLayer(doses: readonly Dose[], unsteered: Dose): LayerChoice {
  const sizes = [...new Set(doses.map((dose) => Math.abs(dose.coefficient)))].sort((a, b) => b - a);
  let most: Moved | undefined;
  for (const size of sizes) {
    const layers = moves(
      doses.filter((dose) => Math.abs(dose.coefficient) === size),
      unsteered,
    );
    const coherent = layers.filter(({ coherence }) => coherence >= COHERENCE_BAR);
    if (coherent.length > 0) {
      const best = coherent.reduce((a, b) => (b.moved > a.moved ? b : a));
      const why = `doses ${best.doses} move the trait by ${best.moved.toFixed(0)} points there, the most of the ${layers.length} layers tried, with ${percent(best.coherence)} of the unsteered coherence`;
      return { layer: best.layer, why };
    }
    for (const layer of layers) if (most === undefined || layer.coherence > most.coherence) most = layer;
  }
  if (most === undefined) {
    throw new PersonaError('EMPTY_SIDE', 'steered answers are all empty, so no layer can be chosen', {
      remedy: 'steer less: a smaller --layer-dose, smaller --coefficients',
    });
  }
  return {
    layer: most.layer,
    why: `no layer tried keeps ${percent(COHERENCE_BAR)} of the unsteered coherence at doses ${most.doses}; this one keeps the most, ${percent(most.coherence)}`,
  };
}

/** What equal doses up and down do at a layer. */
interface Moved {
  layer: number;
  /** points of the trait's score from the lower dose to the upper one */
  moved: number;
  /** the lesser of both doses, as a share of the unsteered coherence */
  coherence: number;
  doses: string;
}

/** Layers where a dose could not be judged are left out. */
function moves(doses: readonly Dose[], unsteered: Dose): Moved[] {
  const usual = unsteered.coherence.mean;
  return [...Map.groupBy(doses, (dose) => dose.layer)]
    .map(([layer, own]) => {
      const low = own.find((dose) => dose.coefficient < 0) ?? unsteered;
      const high = own.find((dose) => dose.coefficient > 0) ?? unsteered;
      const least = Math.min(low.coherence.mean, high.coherence.mean);
      return {
        layer,
        moved: high.trait.mean - low.trait.mean,
        coherence: usual > 0 ? least / usual : 1, // nothing was there to lose
        doses: `${low.coefficient} and ${high.coefficient}`,
      };
    })
    .filter(({ moved }) => Number.isFinite(moved));
}

function percent(share: number): string {
  return `${Math.round(100 * share)} %`;
}

/** @param doses of one layer, unsteered (0) included. Undefined when no positive coefficient keeps the bar. */
export function chooseCoefficient(doses: readonly Dose[]): number | undefined {
  const usual = doses.find((dose) => dose.coefficient === 0)?.coherence.mean ?? 100;
  const upward = doses.filter((dose) => dose.coefficient > 0).sort((a, b) => a.coefficient - b.coefficient);
  let chosen: number | undefined;
  for (const dose of upward) {
    if (dose.coherence.mean < COHERENCE_BAR * usual) break;
    chosen = dose.coefficient;
  }
  return chosen;
}

/** Layers worth trying: every second one of the middle 30–70 % of the depth. 30 blocks: 9, 11, … 21. */
export function usualLayers(layers: number): number[] {
  const first = Math.round(0.3 * layers);
  const last = Math.round(0.7 * layers);
  const step = Math.max(1, Math.round((last - first) / 6));
  const out: number[] = [];
  for (let b = first; b <= last; b += step) if (b < layers) out.push(b);
  return out;
}
