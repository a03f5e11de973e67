/** The evidence for a vector in a terminal. */

import { evidenceLines } from '../../vector/evidence/lines.ts';
import { verdictLine } from '../../vector/evidence/verdict.ts';
import type { Quality } from '../../vector/vector.ts';

/** Verdict first, then a line a figure; '' where nothing was gathered. */
export function evidenceText(quality: Quality, layer: number): string {
  const lines = evidenceLines(quality, layer);
  const labels = Math.max(0, ...lines.map(({ label }) => label.length));
  const values = Math.max(0, ...lines.map(({ value }) => (value.length <= WIDE ? value.length : 0)));
  return [
    ...(quality.verdict ? [verdictLine(quality.verdict)] : []),
    ...lines.map(({ label, value, meaning }) =>
      `  ${label.padEnd(labels)}  ${value.padEnd(values)}  ${value.length <= WIDE ? meaning : ''}`.trimEnd(),
    ),
  ].join('\n');
}

/** Longer values take the line to themselves. */
const WIDE = 48;
