/** Small charts in a line or a few. */

import { count, displayWidth, harmless } from './text.ts';

const LEVELS = '▁▂▃▄▅▆▇█';

/** One character a value, the least at the bottom, the greatest at the top. sparkline([0, 7, 3]) = '▁█▄' */
export function sparkline(values: ArrayLike<number>): string {
  const known = Array.from(values).filter((value) => !Number.isNaN(value));
  const low = Math.min(...known);
  const span = Math.max(...known) - low;
  return Array.from(values, (value) => {
    if (Number.isNaN(value)) return ' ';
    return LEVELS[span === 0 ? 0 : Math.round(((value - low) / span) * (LEVELS.length - 1))]!;
  }).join('');
}

export interface Bar {
  label: string;
  value: number;
  /** shown behind the bar. @default the value */
  text?: string;
}

/**
 * Horizontal bars from a common zero, `width` columns for the longest span.
 *
 * bars([{ label: 'a', value: 2 }, { label: 'bc', value: -1 }], 6) =
 *   a     ████ 2
 *   bc  ██     -1
 */
export function bars(rows: readonly Bar[], width = 40): string {
  const low = Math.min(0, ...rows.map(({ value }) => value));
  const high = Math.max(0, ...rows.map(({ value }) => value));
  const cell = (high - low || 1) / width;
  const zero = Math.round(-low / cell);
  const labelWidth = Math.max(0, ...rows.map(({ label }) => displayWidth(label)));
  return rows
    .map(({ label, value, text = count(value) }) => {
      const end = zero + Math.round(value / cell);
      const start = Math.min(zero, end);
      const bar = ' '.repeat(start) + '█'.repeat(Math.abs(end - zero));
      const space = ' '.repeat(labelWidth - displayWidth(label));
      return `${harmless(label)}${space}  ${bar.padEnd(width)} ${text}`;
    })
    .join('\n');
}
