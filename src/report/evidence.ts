/** The evidence for a vector as a table: what was measured, what came out, and how it is to be read. */

import { evidenceLines } from '../vector/evidence/lines.ts';
import { verdictLine } from '../vector/evidence/verdict.ts';
import { html, type Html } from './escape.ts';
import type { ReportData } from './report-data.ts';

export function evidence({ quality, chosen }: ReportData): Html {
  const lines = evidenceLines(quality, chosen.layer);
  if (lines.length === 0)
    return html`<p class="empty">No evidence was gathered for this vector: extract it with --evidence.</p>`;
  return html`${quality.verdict ? html`<p class="verdict ${quality.verdict.use === 'yes' ? 'good' : quality.verdict.use === 'no' ? 'bad' : 'care'}">${verdictLine(quality.verdict)}</p>` : ''}
    <dl class="evidence">
      ${lines.map(
        ({ label, value, meaning }) =>
          html`<div>
            <dt>${label}</dt>
            <dd><b>${value}</b><span>${meaning}</span></dd>
          </div>`,
      )}
    </dl>`;
}
