/** What was read of watched traits, as a table for people. */

import type { Edit } from '../../engine/request.ts';
import type { Reading, Watch } from '../../monitor/watch.ts';
import { pushOn } from '../../steer/push.ts';
import { direction } from '../../vector/vector.ts';
import { table } from './table.ts';

/** An answer's readings; `label` tells several answers apart. */
export interface LabelledReadings {
  label?: string;
  persona: Record<string, Reading>;
}

/**
 * With the steering's edits, it says how much of a reading is their own push, which no model had a part in.
 *
 * trait       mean    z  last token  predicted  layer
 * optimistic  2.03  +0.4       7.71     -17.40     18
 */
export function readingsTable(
  watches: readonly Watch[],
  answers: readonly LabelledReadings[],
  edits: readonly Edit[] = [],
): string {
  const all = watches.flatMap((watch) =>
    answers.map(({ label, persona }) => ({ watch, label, ...persona[watch.name]! })),
  );
  const digits = digitsOf(all.flatMap(({ mean, last, prompt }) => [mean ?? 0, last ?? 0, prompt]));
  const figure = (value: number | null): string => (value === null ? '–' : value.toFixed(digits));
  const labelled = answers.some(({ label }) => label !== undefined);
  const rows = all.map(({ watch, label, mean, z, last, prompt }) => {
    const figures = [figure(mean), signed(z), figure(last), figure(prompt), watch.layer];
    return labelled ? [watch.name, label, ...figures] : [watch.name, ...figures];
  });
  const header = ['trait', ...(labelled ? ['answer'] : []), 'mean', 'z', 'last token', 'predicted', 'layer'];
  const pushes = watches.flatMap(({ name, vector, layer }) => {
    const push = pushOn(layer, direction(vector, layer), edits);
    if (Math.abs(push) < 0.5 * 10 ** -digits) return [];
    return `of ${name} at layer ${layer}, ${push < 0 ? '' : '+'}${figure(push)} is the push of the steering itself`;
  });
  return [table(header, rows), ...pushes].join('\n');
}

/** Decimals that mean something beside the largest of the values: models differ by orders of magnitude. */
function digitsOf(values: readonly number[]): number {
  const largest = Math.max(...values.map(Math.abs));
  return largest >= 1000 ? 0 : largest >= 100 ? 1 : 2;
}

/** signed(1.25) = '+1.3' */
function signed(z: number | null): string {
  return z === null ? '–' : `${z < 0 ? '' : '+'}${z.toFixed(1)}`;
}
