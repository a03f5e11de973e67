/** Sorts a sweep into panels of equal dose, so that layers are compared like with like. */

import { coefficient, percent } from './format.ts';
import { measuredDoses } from './finding.ts';
import type { Dose, LayerRow } from './report-data.ts';

export interface SweepPanel {
  title: string;
  note: string;
  /** one a layer, ascending by layer */
  doses: Dose[];
}

/** Pushes that differ by less than this share of their mean count as equal. */
const equalPush = 0.1;

/**
 * Where all layers were tried with the same coefficients, a panel is a coefficient. Otherwise the coefficients were
 * fitted to each layer's norm, and a panel is the first, second … dose of every layer.
 */
export function panelsOf(sweep: readonly Dose[], layers: readonly LayerRow[]): SweepPanel[] {
  const byLayer = Map.groupBy(measuredDoses(sweep), (dose) => dose.layer);
  const most = Math.max(0, ...[...byLayer.values()].map((doses) => doses.length));
  const distinct = new Set(sweep.map((dose) => dose.coefficient));
  const ranked = [...byLayer.values()].flatMap((doses) => doses.map((dose, rank) => ({ dose, rank })));
  const groups = Map.groupBy(ranked, ({ dose, rank }) => (distinct.size <= most ? dose.coefficient : rank));
  return [...groups.entries()]
    .toSorted(([a], [b]) => a - b)
    .map(([, group], index) => {
      const doses = group.map(({ dose }) => dose).toSorted((a, b) => a.layer - b.layer);
      return { ...name(doses, layers, `Sweep, dose ${index + 1} of ${groups.size}`), doses };
    });
}

function name(
  doses: readonly Dose[],
  layers: readonly LayerRow[],
  otherwise: string,
): { title: string; note: string } {
  const coefficients = doses.map((dose) => dose.coefficient);
  const [low, high] = [Math.min(...coefficients), Math.max(...coefficients)];
  if (low === high)
    return { title: `Sweep at coefficient ${coefficient(low)}`, note: 'the same at every layer' };
  const note = `coefficients ${coefficient(low)} to ${coefficient(high)}`;
  const push = commonPush(doses, layers);
  return push === undefined
    ? { title: otherwise, note }
    : { title: `Sweep at ${percent(push)} of residual norm`, note };
}

/** Coefficient × ‖v‖ over the residual norm, where it is the same at all layers. */
function commonPush(doses: readonly Dose[], layers: readonly LayerRow[]): number | undefined {
  const pushes = doses.map((dose) => {
    const row = layers.find(({ layer }) => layer === dose.layer);
    return row ? (dose.coefficient * row.norm) / row.residualNorm : Number.NaN;
  });
  const mean = pushes.reduce((sum, push) => sum + push, 0) / pushes.length;
  return pushes.every((push) => Math.abs(push - mean) < equalPush * Math.abs(mean)) ? mean : undefined;
}
