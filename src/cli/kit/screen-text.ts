/** A screening told: a table a trait, its sets ranked by how far they go, what came of thresholds and gates; and as JSON. */

import type { Group } from '../../screen/groups.ts';
import type { ScreenResult, TraitResult } from '../../screen/result.ts';
import type { Verdict } from '../../screen/gate-text.ts';
import { table } from './table.ts';
import { count } from './text.ts';

/** Sets that are told; the page has all. */
const MOST_ROWS = 20;

export function screenText(result: ScreenResult, found: readonly Verdict[], bad: number): string {
  const { samples, unmeasured, traits, files, by, kept, dropped, agreement } = result;
  const parts = traits.map((trait) => traitText(trait, result));
  parts.push(...result.warnings.map((warning) => `Warning: ${warning}`));
  if (files.length > 1 || by === undefined) parts.push(groupsText('file', files, traits));
  if (by) parts.push(groupsText(by.field, by.groups, traits));
  if (agreement)
    parts.push(
      `r with the method "difference" on ${count(agreement.n)} answers: ${Object.entries(agreement.r)
        .map(([name, r]) => `${name} ${r.toFixed(2)}`)
        .join(', ')}`,
    );
  const lines = [`${count(samples)} answers`];
  for (const [reason, n] of Object.entries(unmeasured)) lines.push(`${count(n)} without figures: ${reason}`);
  if (bad > 0) lines.push(`${count(bad)} bad ${bad === 1 ? 'row' : 'rows'} passed over`);
  if (kept) lines.push(`${count(kept.rows)} rows kept in ${kept.path}`);
  if (dropped) lines.push(`${count(dropped.rows)} rows dropped to ${dropped.path}`);
  lines.push(`written to ${result.output}`);
  parts.push(lines.join('\n'));
  if (found.length > 0)
    parts.push(
      found
        .map(({ gate, passed, text }) => `${passed ? 'passed' : 'FAILED'}  ${gate.text}  (${text})`)
        .join('\n'),
    );
  return parts.join('\n\n');
}

function traitText(
  { name, layer, mean, sd, usual, threshold, judgeThreshold }: TraitResult,
  { against }: ScreenResult,
): string {
  const z =
    against === 'reference'
      ? `z is relative to the reference: ${short(usual.mean)} ± ${short(usual.sd)}, n ${count(usual.n)}`
      : 'z is relative to this set itself: there is no reference';
  const bound = threshold === undefined ? '' : `; the threshold is ${short(threshold)}`;
  const score = judgeThreshold === undefined ? '' : `, of the judge's scores ${short(judgeThreshold)}`;
  return `${name} at layer ${layer}: difference ${short(mean)} ± ${short(sd)}; ${z}${bound}${score}`;
}

function groupsText(title: string, groups: readonly Group[], traits: readonly TraitResult[]): string {
  const head = [title, 'n', ...traits.flatMap(({ name }) => [`${name} mean`, '95 %', 'over'])];
  const rows = groups.slice(0, MOST_ROWS).map(({ name, rows: n, traits: figures }) => [
    name,
    n,
    ...traits.flatMap((trait) => {
      const { mean, low, high, share } = figures[trait.name]!;
      const interval = Number.isNaN(low) ? '–' : `${short(low)} to ${short(high)}`;
      return [short(mean), interval, share === null ? '–' : `${(100 * share).toFixed(1)} %`];
    }),
  ]);
  const more = groups.length > MOST_ROWS ? `\n… and ${count(groups.length - MOST_ROWS)} more` : '';
  return `${table(head, rows)}${more}`;
}

function short(value: number): string {
  return Number.isNaN(value) ? '–' : value.toFixed(2);
}

/** The result without whole samples, which are in the output. */
export function screenJson(result: ScreenResult, found: readonly Verdict[], bad: number): object {
  const end = ({ sample, difference }: TraitResult['top'][number]): object => ({
    file: sample.record.file,
    row: sample.record.row,
    turn: sample.turn,
    difference,
  });
  return {
    ...result,
    bad,
    traits: result.traits.map((trait) => ({
      ...trait,
      histogram: undefined, // of the page
      top: trait.top.map(end),
      bottom: trait.bottom.map(end),
    })),
    gates: found.map(({ gate, ...verdict }) => ({ gate: gate.text, ...verdict })),
  };
}
