/** Where other sensible rules would have steered: a choice on which all agree is worth more (paper §4.5). */

import type { Dose } from '../dose.ts';

export interface OtherChoice {
  rule: string;
  layer: number;
}

/**
 * @param layerDoses doses of the layers tried
 * @param byLayer figures per layer, of all layers
 */
export function otherChoices(
  chosen: number,
  layerDoses: readonly Dose[],
  byLayer: { rule: string; values: readonly (number | null)[] }[],
): OtherChoice[] {
  const upward = layerDoses.filter(
    ({ coefficient, trait }) => coefficient > 0 && Number.isFinite(trait.mean),
  );
  const choices: OtherChoice[] = [];
  if (upward.length > 0) {
    const best = upward.reduce((a, b) => (b.trait.mean > a.trait.mean ? b : a));
    choices.push({ rule: 'highest trait score, coherence ignored, as the paper has it', layer: best.layer });
  }
  const tried = new Set(layerDoses.map(({ layer }) => layer));
  for (const { rule, values } of byLayer) {
    let best: number | undefined;
    for (const layer of tried) {
      const value = values[layer];
      if (value != null && (best === undefined || value > values[best]!)) best = layer;
    }
    if (best !== undefined) choices.push({ rule, layer: best });
  }
  return choices.filter(({ layer }) => layer !== chosen);
}
