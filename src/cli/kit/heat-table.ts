/** Scores of 0 to 100 by row and column, each on a shade of its own. */

import type { ColorDepth } from './color.ts';
import { background, type Rgb } from './heat.ts';

/** From pale to deep; letters turn white where it is deep. */
const LOW: Rgb = [238, 236, 230];
const HIGH: Rgb = [178, 64, 20];
const WHITE_FROM = 65;

export interface HeatRow {
  label: string;
  /** undefined: not measured */
  values: readonly (number | undefined)[];
}

/** Without colours, the numbers alone. */
export function heatTable(
  corner: string,
  columns: readonly string[],
  rows: readonly HeatRow[],
  depth: ColorDepth,
): string {
  const first = Math.max(corner.length, ...rows.map(({ label }) => label.length));
  const width = Math.max(5, ...columns.map((column) => column.length + 2));
  const lines = rows.map(({ label, values }) => {
    const cells = columns.map((_, i) => cell(values[i], width, depth));
    return `${label.padStart(first)}  ${cells.join('')}`;
  });
  return [
    `${corner.padStart(first)}  ${columns.map((column) => column.padStart(width - 1).padEnd(width)).join('')}`.trimEnd(),
    ...lines,
  ].join('\n');
}

function cell(value: number | undefined, width: number, depth: ColorDepth): string {
  const text = (value === undefined ? '–' : value.toFixed(0)).padStart(width - 1).padEnd(width);
  if (depth === 'none' || value === undefined) return text;
  const share = Math.min(1, Math.max(0, value / 100));
  const shade = LOW.map((from, i) => Math.round(from + share * (HIGH[i]! - from)));
  const ink = value >= WHITE_FROM ? 97 : 30;
  return `\x1b[${ink};48;${background([shade[0]!, shade[1]!, shade[2]!], depth)}m${text}\x1b[0m`;
}
