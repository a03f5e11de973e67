/** Coefficient → trait and coherence, as a table. */

import type { Dose, Estimate } from '../../vector/dose.ts';
import { table } from './table.ts';

/** @param recommended marked in the table */
export function doseTable(doses: readonly Dose[], recommended: number | undefined): string {
  const rows = doses.map((dose) => [
    dose.coefficient > 0 ? `+${dose.coefficient}` : String(dose.coefficient),
    interval(dose.trait),
    interval(dose.coherence),
    dose.coefficient === recommended ? '← recommended' : dose.coefficient === 0 ? 'unsteered' : '',
  ]);
  return table(['coefficient', 'trait 0–100', 'coherence 0–100', ''], rows);
}

/** `83 [71, 92]`: mean and 95 % interval. */
function interval({ mean, low, high }: Estimate): string {
  if (!Number.isFinite(mean)) return 'no score';
  return `${mean.toFixed(0)} [${low.toFixed(0)}, ${high.toFixed(0)}]`;
}
