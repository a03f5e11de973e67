/** What fine-tuning moved, for people: a row for each vector and checkpoint, and the shift over the layers. */

import type { Interval } from '../../math/bootstrap.ts';
import type { DiffResult } from '../../screen/diff/diff.ts';
import type { Shifts, VectorShift } from '../../screen/diff/figures.ts';
import type { ScoreChange } from '../../screen/diff/scores.ts';
import { sparkline } from './chart.ts';
import { table } from './table.ts';

export function diffText(results: readonly DiffResult[]): string {
  const answered = results.filter(({ answers }) => answers !== undefined);
  const scored = results.filter(({ scores }) => scores !== undefined);
  return [
    `shift at the last prompt token, ${results[0]!.shifts.prompts} prompts, against ${results[0]!.base}`,
    shiftTable(results.map(({ name, shifts }) => ({ name, shifts }))),
    ...results.map(({ name, shifts }) => wholeLine(name, shifts)),
    ...(answered.length > 0
      ? [
          '',
          'shift of the mean over each model’s own greedy answer',
          shiftTable(answered.map(({ name, answers }) => ({ name, shifts: answers! }))),
        ]
      : []),
    ...(scored.length > 0 ? ['', `scores of the answers, by ${scored[0]!.judge}`, scoreTable(scored)] : []),
  ].join('\n');
}

function shiftTable(rows: readonly { name: string; shifts: Shifts }[]): string {
  const vectors = rows[0]!.shifts.vectors;
  const cells = vectors.flatMap((_, i) =>
    rows.map(({ name, shifts }) => {
      const vector = shifts.vectors[i]!;
      const { shift, sd, p, cosine } = vector.own;
      return [
        `${vector.name} at ${vector.layer}`,
        name,
        signed(shift.mean),
        range(shift),
        sd ? signed(sd.mean) : '–',
        sd ? range(sd) : '–',
        p < 0.001 ? '<0.001' : p.toFixed(3),
        cosine === null ? '–' : signed(cosine),
        layersLine(vector),
      ];
    }),
  );
  return table(
    ['vector', 'checkpoint', 'shift', '95 %', 'in sd', '95 % in sd', 'p', 'cosine', 'over the layers'],
    cells,
  );
}

/** Of the magnitudes, from none to the greatest, so that a flat line is low where nothing shifted. */
function layersLine({ layers }: VectorShift): string {
  const sizes = layers.map(({ shift }) => Math.abs(shift.mean));
  return sparkline([0, ...sizes]).slice(1);
}

function wholeLine(name: string, { layers, vectors }: Shifts): string {
  const own = [...new Set(vectors.map(({ layer }) => layer))].sort((a, b) => a - b);
  const parts = own.map((layer) => {
    const { norm, relative, spanned } = layers.find((one) => one.layer === layer)!;
    const inside = spanned === null ? '' : `, ${percent(spanned)} of its square in the span of the vectors`;
    return `layer ${layer} moved by ${plain(norm)} in all, ${percent(relative)} of the residual norm${inside}`;
  });
  return `${name}: ${parts.join('; ')}`;
}

function scoreTable(results: readonly DiffResult[]): string {
  const rows = results.flatMap(({ name, scores }) =>
    Object.entries(scores!).flatMap(([trait, { trait: own, coherence }]) => [
      scoreRow(trait, name, own),
      scoreRow(`coherence (${trait})`, name, coherence),
    ]),
  );
  return table(['score', 'checkpoint', 'base', 'tuned', 'change', '95 %', 'p', 'answers'], rows);
}

function scoreRow(score: string, name: string, { base, tuned, change, p }: ScoreChange): (string | number)[] {
  if (change.n === 0) return [score, name, '–', '–', '–', 'no score', '–', 0];
  const means = [base.mean.toFixed(1), tuned.mean.toFixed(1), signed(change.mean)];
  return [score, name, ...means, range(change), p < 0.001 ? '<0.001' : p.toFixed(3), change.n];
}

function range({ low, high }: Pick<Interval, 'low' | 'high'>): string {
  return `[${signed(low)}, ${signed(high)}]`;
}

function signed(value: number): string {
  return `${value > 0 ? '+' : ''}${plain(value)}`;
}

/** Three digits that mean something: models differ by orders of magnitude. */
function plain(value: number): string {
  const size = Math.abs(value);
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : size >= 0.1 || size === 0 ? 2 : 4);
}

function percent(share: number): string {
  const value = 100 * share;
  return `${value.toFixed(value >= 10 || value === 0 ? 0 : 1)} %`;
}
