/**
 * Answers whose tokens are coloured by their projection, in standard deviations from the neutral baseline: blue below,
 * orange above, as both stay apart for colour-blind readers. Strong tokens are underlined too, solid above and dotted
 * below, and every number can be read: on hover, all at once by a switch, and as the answer's mean.
 */

import { html, type Html } from './escape.ts';
import { coefficient, count, sigma, signed } from './format.ts';
import type { ExampleAnswer, ReportData } from './report-data.ts';

/** Shades on each side of neutral; the style sheet has a class for each. */
export const shades = 6;
/** The scale never ends below this, or the noise of a neutral answer would be shown in full colour. */
const leastLimit = 3;
/** Share of tokens within the scale: a few outliers may saturate. */
const withinLimit = 0.95;
/** Tokens of one answer that are drawn; the run folder has them all. */
const mostTokens = 1_500;

/** Where the colour scale ends, in σ: one for the whole page, so that colours can be compared. */
export function scaleLimit(examples: ReportData['examples']): number {
  const sizes = examples
    .flatMap(({ answers }) => answers.flatMap(({ tokens }) => tokens.map(({ z }) => Math.abs(z))))
    .filter(Number.isFinite)
    .toSorted((a, b) => a - b);
  const outer = sizes[Math.ceil(sizes.length * withinLimit) - 1] ?? 0;
  return Math.max(leastLimit, Math.ceil(outer));
}

/** 'p1' … 'p6' above neutral, 'n1' … 'n6' below, '' within half a shade of it. */
export function shade(z: number, limit: number): string {
  const level = Math.min(shades, Math.round((Math.abs(z) / limit) * shades));
  if (!(level > 0)) return '';
  return `${z > 0 ? 'p' : 'n'}${level}`;
}

/** @param label @default the steering's coefficient */
export function colouredAnswer(answer: ExampleAnswer, limit: number, label?: string): Html {
  const { tokens, text } = answer;
  const place = Number.isFinite(answer.z) ? Math.max(-1, Math.min(1, answer.z / limit)) : 0;
  const dose =
    label ?? (answer.coefficient === 0 ? 'unsteered' : `coefficient ${coefficient(answer.coefficient)}`);
  const left = tokens.length - mostTokens;
  return html`<div class="answer">
    <div class="answer-head">
      <span class="dose">${dose}</span> <span class="mean">mean ${sigma(answer.z)}</span>
    </div>
    <div class="gauge" aria-hidden="true"><i style="--place:${place.toFixed(3)}"></i></div>
    <p class="voice" dir="auto">${tokens.length === 0 ? text : coloured(tokens, limit)}</p>
    ${left > 0 ? html`<p class="more">${count(left)} more tokens are in the run folder.</p>` : null}
    ${tokens.length === 0 && text === '' ? html`<p class="more">An empty answer.</p>` : null}
  </div>`;
}

function coloured(tokens: ExampleAnswer['tokens'], limit: number): Html[] {
  return tokens
    .slice(0, mostTokens)
    .filter(({ text }) => text !== '')
    .map(({ text, z }) => colouredToken(text, z, limit));
}

/** The space around a word stays uncoloured, or it would hang over the ends of lines. */
function colouredToken(text: string, z: number, limit: number): Html {
  const word = text.trim() || text;
  const start = text.indexOf(word);
  const [kind, number] = [`t ${shade(z, limit)}`, signed(z, 1)];
  const token = html`<span class="${kind}" title="${sigma(z)}" data-z="${number}">${word}</span>`;
  return html`${text.slice(0, start)}${token}${text.slice(start + word.length)}`;
}

export function legend(limit: number): Html {
  const levels = Array.from({ length: 2 * shades + 1 }, (_, index) => index - shades);
  return html`<div class="legend">
    <div class="scale">
      <span>${signed(-limit)} σ or less</span>
      <span class="swatches" aria-hidden="true"
        >${levels.map((level) => html`<i class="t ${shade(level, shades)}"></i>`)}</span
      >
      <span>${signed(limit)} σ or more</span>
    </div>
    <label class="switch"><input type="checkbox" id="show-z" /> Number on every token</label>
  </div>`;
}
