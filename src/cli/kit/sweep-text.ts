/** A sweep for people: a heat map of layers and coefficients where there are several layers, and a table a layer. */

import type { Dose } from '../../vector/dose.ts';
import type { Swept, SweptVariant } from '../../vector/sweep-vector.ts';
import type { CoefficientUnit } from '../../vector/variants.ts';
import type { ColorDepth } from './color.ts';
import { doseTable } from './dose-table.ts';
import { heatTable } from './heat-table.ts';

/** @param sideEffects names of traits among the other scores */
export function sweepText(
  { variants, unsteered }: Swept,
  unit: CoefficientUnit,
  sideEffects: readonly string[],
  depth: ColorDepth,
): string {
  const parts = variants.flatMap((variant) =>
    variantText(variant, unsteered, unit, variants.length > 1, depth),
  );
  const names = [...sideEffects, ...judgesBeside(unsteered).filter((name) => !sideEffects.includes(name))];
  return [...parts, ...names.map((name) => besideText(name, sideEffects.includes(name), variants))].join(
    '\n\n',
  );
}

function judgesBeside(dose: Dose): string[] {
  return Object.keys(dose.others ?? {});
}

function variantText(
  { name, layer, why, coefficient, doses, steered, variant }: SweptVariant,
  unsteered: Dose,
  unit: CoefficientUnit,
  severalWays: boolean,
  depth: ColorDepth,
): string[] {
  const way = severalWays ? `${name === '' ? 'as usual' : name}: ` : '';
  const layers = [...new Set(steered.map((dose) => dose.layer))].sort((a, b) => a - b);
  const place = variant.spread === 'incremental' ? 'all layers, increments' : `layer ${layer}`;
  const parts: string[] = [];
  if (layers.length > 1) {
    const columns = [...new Set([0, ...steered.map((dose) => dose.coefficient)])].sort((a, b) => a - b);
    for (const score of ['trait', 'coherence'] as const) {
      const rows = layers.map((b) => ({
        label: `layer ${b}`,
        values: columns.map((c) =>
          c === 0
            ? unsteered[score].mean
            : steered.find((dose) => dose.layer === b && dose.coefficient === c)?.[score].mean,
        ),
      }));
      parts.push(
        `${way}${score}, 0–100\n${heatTable('coefficient', columns.map(withUnit(unit)), rows, depth)}`,
      );
    }
  }
  const chosen = layers.length > 1 ? ` (chosen: ${why})` : '';
  parts.push(`${way}${place}${chosen}\n${doseTable(doses, coefficient)}`);
  return parts;
}

function withUnit(unit: CoefficientUnit): (value: number) => string {
  return (value) => `${value > 0 ? '+' : ''}${value}${unit === 'percent' ? '%' : ''}`;
}

/** What another judge says of the same answers, or the same judge of another trait. */
function besideText(name: string, isTrait: boolean, variants: readonly SweptVariant[]): string {
  const title = isTrait ? `side effect on ${name}` : `as ${name} scores the same answers`;
  const tables = variants.map(({ name: way, doses }) => {
    const own = doses.flatMap((dose) => {
      const scores = dose.others?.[name];
      return scores ? [{ ...dose, ...scores }] : [];
    });
    return `${variants.length > 1 ? `${way === '' ? 'as usual' : way}\n` : ''}${doseTable(own, undefined)}`;
  });
  return `${title}\n${tables.join('\n')}`;
}
