/** Where the vector comes from, and the command line by which to use it. */

import { html, type Html } from './escape.ts';
import { date, plural, shellWord, shortHash } from './format.ts';
import type { ReportData } from './report-data.ts';

/** A run folder keeps its vector under this name, beside the report. */
const vectorFile = 'vector.gguf';

export function provenanceTable({ model, judge, created, version, provenance }: ReportData): Html {
  const rows: [string, string][] = [
    ['Model', model.name],
    ['Architecture', `${model.architecture}, ${plural(model.layers, 'layer')} of width ${model.width}`],
    ['Quantization', model.quantization],
    ['Weights', model.sha256],
    ['Judge', judge],
    ['Made', date(created)],
    ['By', `persona-vectors ${version}`],
    ...provenance,
  ];
  return html`<dl class="provenance">
    ${rows.map(
      ([label, value]) =>
        html`<dt>${label}</dt>
          <dd dir="auto">${valueOf(value)}</dd>`,
    )}
  </dl>`;
}

function valueOf(value: string): Html | string {
  const short = shortHash(value);
  return short === undefined ? value : html`<code title="${value}">${short}</code>`;
}

/** SPEC is VECTOR=COEFFICIENT@LAYER, so the plain ASCII number, not the typeset one. */
export function reuseCommand({ model, chosen }: ReportData): string {
  const spec = `${vectorFile}=${chosen.coefficient}@${chosen.layer}`;
  return `persona generate 'Your question' --model ${shellWord(model.name)} --steer ${shellWord(spec)} --compare`;
}

export function reuse(data: ReportData): Html {
  return html`<pre
      class="command"
      tabindex="0"
      aria-label="Command line"
    ><code>${reuseCommand(data)}</code></pre>
    <p class="note">
      Run it in this report’s folder. A number after <code>=</code> is the coefficient, one after
      <code>@</code> the layer; <code>--compare</code> answers unsteered as well.
    </p>`;
}
