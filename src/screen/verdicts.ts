/** Gates held against a screening, and its figures in Markdown. */

import { checkGate, type Gate, type GateFigures } from './gate.ts';
import { cell, gateLines, short, type Verdict } from './gate-text.ts';
import type { Group } from './groups.ts';
import type { ScreenResult, TraitResult } from './result.ts';

/** Figures of a screening that gates may ask for. */
const PERCENTS = Array.from({ length: 99 }, (_, i) => `p${i + 1}`);
const FIGURES: readonly string[] = ['n', 'mean', 'min', 'max', 'share', ...PERCENTS];

/** `sd` counts in the reference's spread from its mean; without one in the set's own, from a difference of 0. */
export function gateFigures({ traits, all, against }: ScreenResult): Record<string, GateFigures> {
  return Object.fromEntries(
    traits.map(({ name, n, mean, sd, min, max, quantiles, usual }: TraitResult) => [
      name,
      {
        n,
        mean,
        min,
        max,
        share: all.traits[name]!.share ?? NaN,
        ...quantiles,
        sd: against === 'reference' ? usual.sd : sd,
        center: against === 'reference' ? usual.mean : 0,
      },
    ]),
  );
}

/** Before the work: a slip of the pen must not cost a night. @throws PersonaError USAGE */
export function checkGates(gates: readonly Gate[], traits: readonly string[]): void {
  const zeros = Object.fromEntries([...FIGURES, 'sd', 'center'].map((figure) => [figure, 0]));
  for (const gate of gates) checkGate(gate, Object.fromEntries(traits.map((trait) => [trait, zeros])));
}

export function verdicts(gates: readonly Gate[], result: ScreenResult): Verdict[] {
  const figures = gateFigures(result);
  return gates.map((gate) => ({ gate, ...checkGate(gate, figures) }));
}

export function markdown(found: readonly Verdict[], result: ScreenResult): string {
  const { samples, traits, files, by, against, agreement } = result;
  const lines = [`### Screening: ${samples} answers`, '', ...gateLines(found)];
  lines.push(...result.warnings.flatMap((warning) => [`> ${cell(warning)}`, '']));
  for (const { name, usual } of traits) {
    lines.push(
      `**${cell(name)}**: difference by file; ${against === 'reference' ? 'reference' : 'set'} ${short(usual.mean)} ± ${short(usual.sd)} (n ${usual.n})`,
      '',
      ...groupTable(name, 'File', files),
      ...(by ? ['', ...groupTable(name, by.field, by.groups)] : []),
      '',
    );
  }
  if (agreement)
    lines.push(
      `r with the method \`difference\` on ${agreement.n} rows: ${Object.entries(agreement.r)
        .map(([name, r]) => `${cell(name)} ${r.toFixed(2)}`)
        .join(', ')}`,
      '',
    );
  return lines.join('\n');
}

/** Groups that a comment on a pull request has room for. */
const MOST_ROWS = 50;

function groupTable(trait: string, title: string, groups: readonly Group[]): string[] {
  const rows = groups.slice(0, MOST_ROWS).map(({ name, traits }) => {
    const { n, mean, low, high, share } = traits[trait]!;
    const over = share === null ? '–' : `${short(100 * share)} %`;
    return `| ${cell(name)} | ${n} | ${short(mean)} | ${short(low)} to ${short(high)} | ${over} |`;
  });
  return [`| ${cell(title)} | n | mean | 95 % | over |`, '|---|---:|---:|---:|---:|', ...rows];
}
