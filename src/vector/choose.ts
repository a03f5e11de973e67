/**
 * Which layer to steer at, and how much (paper §4.5, with the coherence bar that it reports by but does not choose by).
 *
 * Layer: the one where equal doses up and down move the trait most, among those whose answers stay coherent. The
 * distance between both doses, and not the height of the upper one, because a model that already shows a trait
 * (most are optimistic) has no room above.
 * Coefficient: the largest positive one up to which coherence stays above the bar.
 */

import type { Dose } from './dose.ts';

/** Share of the unsteered coherence that steering must keep. */
export const COHERENCE_BAR = 0.75;

export interface LayerChoice {
  layer: number;
  why: string;
}

/** @param doses two doses a layer, −c and +c; @param usual coherence of unsteered answers */
export function chooseLayer(doses: readonly Dose[], usual: number): LayerChoice {
  const layers = [...new Set(doses.map((dose) => dose.layer))].map((layer) => {
    const own = doses.filter((dose) => dose.layer === layer).sort((a, b) => a.coefficient - b.coefficient);
    const [low, high] = [own[0]!, own.at(-1)!];
    return {
      layer,
      moved: high.trait.mean - low.trait.mean,
      coherence: Math.min(...own.map((dose) => dose.coherence.mean)) / usual,
      doses: `${low.coefficient} and ${high.coefficient}`,
    };
  });
  const scored = layers.filter(({ moved }) => Number.isFinite(moved));
  const coherent = scored.filter(({ coherence }) => coherence >= COHERENCE_BAR);
  const pool =
    coherent.length > 0 ? coherent : scored.toSorted((a, b) => b.coherence - a.coherence).slice(0, 1);
  const best = pool.reduce((a, b) => (b.moved > a.moved ? b : a));
  const percent = (share: number): string => `${Math.round(100 * share)} %`;
  const why =
    coherent.length > 0
      ? `doses ${best.doses} move the trait by ${best.moved.toFixed(0)} points there, the most of the ${layers.length} layers tried, with ${percent(best.coherence)} of the unsteered coherence`
      : `no layer tried keeps ${percent(COHERENCE_BAR)} of the unsteered coherence at doses ${best.doses}; this one keeps the most, ${percent(best.coherence)}`;
  return { layer: best.layer, why };
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
