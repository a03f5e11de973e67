/** What came of gates, for machines: JUnit's XML, and lines and cells of Markdown for a pull request. */

import type { Gate, GateResult } from './gate.ts';

/** A gate that was held against something. */
export interface Verdict extends GateResult {
  gate: Gate;
  /** of a diff: the tuned model that it was held against */
  checkpoint?: string;
}

/**
 * @param tool whose gates, as "screen"
 * @param subject what they were held against, all of them
 */
export function junit(tool: string, subject: string, found: readonly Verdict[]): string {
  const failures = found.filter(({ passed }) => !passed).length;
  const counts = `tests="${found.length}" failures="${failures}" errors="0"`;
  const cases = found.map(({ gate, checkpoint, passed, text }) => {
    const name = checkpoint === undefined ? `persona.${tool}` : `persona.${tool}.${checkpoint}`;
    const said = passed
      ? `<system-out>${xml(text)}</system-out>`
      : `<failure type="gate" message="${xml(text)}"/>`;
    return `    <testcase classname="${xml(name)}" name="${xml(gate.text)}" time="0">${said}</testcase>`;
  });
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="persona ${tool}" ${counts}>`,
    `  <testsuite name="${xml(subject)}" ${counts} skipped="0" time="0">`,
    ...cases,
    '  </testsuite>',
    '</testsuites>',
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

/** An item for each gate, and a blank line after them. */
export function gateLines(found: readonly Verdict[]): string[] {
  const lines = found.map(({ gate, checkpoint, passed, text }) => {
    const subject = checkpoint === undefined ? '' : `${cell(checkpoint)}, `;
    return `- ${passed ? 'passed' : '**failed**'}: ${subject}\`${cell(gate.text)}\` (${cell(text)})`;
  });
  return lines.length > 0 ? [...lines, ''] : [];
}

/** Text for a cell of a Markdown table. */
export function cell(text: string): string {
  return text.replaceAll(/\s+/g, ' ').replaceAll('|', '\\|').replaceAll('<', '&lt;');
}

/** Three digits; a dash for what is no number. */
export function short(value: number): string {
  return Number.isFinite(value) ? String(Number(value.toPrecision(3))) : '–';
}
