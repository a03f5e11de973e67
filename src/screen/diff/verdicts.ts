/** Gates held against a diff, and its figures in Markdown. */

import { checkGate, type Gate } from '../gate.ts';
import { cell, gateLines, short, type Verdict } from '../gate-text.ts';
import type { DiffResult } from './diff.ts';
import { gateFigures } from './gate-figures.ts';

/** Each gate against each checkpoint. */
export function diffVerdicts(gates: readonly Gate[], results: readonly DiffResult[]): Verdict[] {
  return gates.flatMap((gate) =>
    results.map((result) => ({ gate, checkpoint: result.name, ...checkGate(gate, gateFigures(result)) })),
  );
}

export function diffMarkdown(found: readonly Verdict[], results: readonly DiffResult[]): string {
  const { base, shifts } = results[0]!;
  const rows = results.flatMap(({ name, shifts: { vectors } }) =>
    vectors.map(({ name: vector, layer, own: { shift, sd, p, cosine } }) => {
      const cells = [
        cell(vector),
        layer,
        cell(name),
        short(shift.mean),
        `${short(shift.low)} to ${short(shift.high)}`,
        sd ? short(sd.mean) : '–',
        short(p),
        cosine === null ? '–' : short(cosine),
      ];
      return `| ${cells.join(' | ')} |`;
    }),
  );
  return [
    `### Shift from ${cell(base)}, ${shifts.prompts} prompts`,
    '',
    ...gateLines(found),
    '| Vector | Layer | Checkpoint | Shift | 95 % | In sd | p | Cosine |',
    '|---|---:|---|---:|---:|---:|---:|---:|',
    ...rows,
    '',
  ].join('\n');
}
