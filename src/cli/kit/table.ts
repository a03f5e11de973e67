/** Aligned text tables. */

import { displayWidth, harmless } from './text.ts';

export type Cell = string | number | undefined;

const NUMERIC = /^[+\-−±]?[\d.,]+( ?[%×a-zA-Z]{1,3})?$/;
const GAP = '  ';

/**
 * A table with its header; columns that hold nothing but numbers are set flush right.
 *
 * table(['trait', 'AUC'], [['humor', 0.91], ['evil', 0.8]]) =
 *   trait   AUC
 *   humor  0.91
 *   evil    0.8
 */
export function table(header: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const cells = rows.map((row) => header.map((_, i) => oneLine(row[i])));
  const widths = header.map((title, i) =>
    Math.max(displayWidth(title), ...cells.map((row) => displayWidth(row[i]!))),
  );
  const right = header.map((_, i) => isNumeric(cells.map((row) => row[i]!)));
  return [header, ...cells].map((row) => line(row, widths, right)).join('\n');
}

function line(row: readonly string[], widths: readonly number[], right: readonly boolean[]): string {
  const padded = row.map((cell, i) => {
    const space = ' '.repeat(widths[i]! - displayWidth(cell));
    return right[i] ? space + cell : cell + space;
  });
  return padded.join(GAP).trimEnd();
}

function oneLine(cell: Cell): string {
  return cell === undefined ? '' : harmless(String(cell).replace(/\s+/g, ' '));
}

function isNumeric(column: readonly string[]): boolean {
  const filled = column.filter((cell) => cell !== '' && cell !== '–');
  return filled.length > 0 && filled.every((cell) => NUMERIC.test(cell) || cell === 'NaN');
}
