/** Gates held against a diff, and what came of them for machines: JUnit's XML, and Markdown for a pull request. */

import { checkGate, type Gate, type GateResult } from '../gate.ts';
import type { DiffResult } from './diff.ts';
import { gateFigures } from './gate-figures.ts';

export interface DiffVerdict extends GateResult {
  gate: Gate;
  checkpoint: string;
}

/** Each gate against each checkpoint. */
export function diffVerdicts(gates: readonly Gate[], results: readonly DiffResult[]): DiffVerdict[] {
  return gates.flatMap((gate) =>
    results.map((result) => ({ gate, checkpoint: result.name, ...checkGate(gate, gateFigures(result)) })),
  );
}

export function diffJunit(found: readonly DiffVerdict[], base: string): string {
  const failures = found.filter(({ passed }) => !passed).length;
  const counts = `tests="${found.length}" failures="${failures}" errors="0"`;
  const cases = found.map(({ gate, checkpoint, passed, text }) => {
    const head = `    <testcase classname="persona.diff.${xml(checkpoint)}" name="${xml(gate.text)}" time="0">`;
    const said = passed
      ? `<system-out>${xml(text)}</system-out>`
      : `<failure type="gate" message="${xml(text)}"/>`;
    return `${head}${said}</testcase>`;
  });
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="persona diff" ${counts}>`,
    `  <testsuite name="${xml(base)}" ${counts} skipped="0" time="0">`,
    ...cases,
    '  </testsuite>',
    '</testsuites>',
    '',
  ].join('\n');
}

export function diffMarkdown(found: readonly DiffVerdict[], results: readonly DiffResult[]): string {
  const { base, shifts } = results[0]!;
  const gates = found.map(
    ({ gate, checkpoint, passed, text }) =>
      `- ${passed ? 'passed' : '**failed**'}: ${cell(checkpoint)}, \`${cell(gate.text)}\` (${cell(text)})`,
  );
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
    ...(gates.length > 0 ? [...gates, ''] : []),
    '| Vector | Layer | Checkpoint | Shift | 95 % | In sd | p | Cosine |',
    '|---|---:|---|---:|---:|---:|---:|---:|',
    ...rows,
    '',
  ].join('\n');
}

/** Characters that XML cannot hold at all become the replacement character. */
function xml(text: string): string {
  const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
  return text
    .replace(/[&<>"]/g, (character) => entities[character]!)
    .replace(/(?![\t\n\r])[\p{Cc}\p{Cs}\uFFFE\uFFFF]/gu, '\uFFFD');
}

function cell(text: string): string {
  return text.replaceAll(/\s+/g, ' ').replaceAll('|', '\\|').replaceAll('<', '&lt;');
}

function short(value: number): string {
  return String(Number(value.toPrecision(3)));
}
