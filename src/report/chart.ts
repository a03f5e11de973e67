/**
 * Observable Plot on the server: marks in, SVG as HTML text out. Colours are CSS variables of the page, so that one
 * drawing serves both themes; sizes are CSS pixels, and the page may shrink a drawing but never enlarges it.
 */

import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import { html, trusted, type Html, type Part } from './escape.ts';

/** What a figure is drawn with. */
export interface Drawing extends Plot.PlotOptions {
  /** The picture in words, for those who do not see it. */
  description: string;
}

/** Pixels between two tick labels below which they would touch. */
const tickRoom = 30;

function draw({ description, ...options }: Drawing): Html {
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  const svg = Plot.plot({ document, className: 'plot', ...options });
  svg.querySelector('style')?.remove();
  // The outer tag is ours: it carries the description, and linkedom leaves "&" in attributes unescaped.
  const box = svg.getAttribute('viewBox') ?? '';
  return html`<svg
    class="plot"
    role="img"
    aria-label="${description}"
    viewBox="${box}"
    style="--width:${options.width ?? 0}px"
    fill="currentColor"
    text-anchor="middle"
  >
    ${trusted(svg.innerHTML)}
  </svg>`;
}

/** Widths of a figure beside its heading, of one of three small ones in a row, and of any on a phone. */
export const pageWidth = 812;
export const smallWidth = 262;
const phoneWidth = 350;

/** The same figure drawn for a page and for a phone: text in a scaled drawing would be too small or too large. */
export function drawBoth(width: number, drawing: (width: number, phone: boolean) => Drawing): Html {
  return html`<div class="for-page">${draw(drawing(width, false))}</div>
    <div class="for-phone">${draw(drawing(phoneWidth, true))}</div>`;
}

/** Horizontal hairlines with their numbers on the left. */
export function valueAxis(ticks: readonly number[]): Plot.Markish[] {
  return [
    Plot.gridY(ticks, { stroke: 'var(--rule)', strokeOpacity: 1 }),
    Plot.axisY(ticks, {
      tickSize: 0,
      tickPadding: 10,
      tickFormat: String,
      label: null,
      fill: 'var(--muted)',
    }),
  ];
}

/** A number line at the bottom that names the places where something was measured, as long as they have room. */
export function placesAxis(
  places: readonly number[],
  {
    domain,
    room,
    format,
    label,
  }: { domain: [number, number]; room: number; format: (place: number) => string; label: string },
): Plot.Markish {
  const perUnit = room / (domain[1] - domain[0]);
  const shown: number[] = [];
  for (const place of places.toSorted((a, b) => a - b)) {
    const last = shown.at(-1);
    if (last === undefined || (place - last) * perUnit >= tickRoom) shown.push(place);
  }
  return bottomAxis(label, { places: shown, format });
}

/** A number line at the bottom with its label below; ticks as they fit, unless places are given. */
export function bottomAxis(
  label: string,
  {
    places,
    format,
  }: { places?: readonly number[] | undefined; format?: string | ((place: number) => string) } = {},
): Plot.Markish {
  const look: Plot.AxisXOptions = {
    tickSize: 4,
    tickPadding: 6,
    ...(format !== undefined && { tickFormat: format }),
    stroke: 'var(--rule)',
    fill: 'var(--muted)',
    label,
    labelAnchor: 'center',
    labelArrow: 'none',
    labelOffset: 40,
  };
  return places ? Plot.axisX(places, look) : Plot.axisX(look);
}

export interface FigureOptions {
  picture: Part;
  caption: Part;
  head: readonly string[];
  /** numbers as text; the first column names the row */
  rows: readonly (readonly string[])[];
}

/** A picture, what to see in it, and its numbers. */
export function figure({ picture, caption, head, rows }: FigureOptions): Html {
  return html`<figure>
    <div class="picture">${picture}</div>
    <figcaption>${caption}</figcaption>
    <details class="numbers">
      <summary>The numbers</summary>
      <div class="scroll" tabindex="0" role="group" aria-label="Table of numbers">${table(head, rows)}</div>
    </details>
  </figure>`;
}

/** A table in the text of a page, as wide as it needs. */
export function wideTable(name: string, head: readonly string[], rows: readonly (readonly string[])[]): Html {
  return html`<div class="wide" tabindex="0" role="group" aria-label="${name}">${table(head, rows)}</div>`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): Html {
  return html`<table>
    <thead>
      <tr>
        ${head.map((cell) => html`<th scope="col">${cell}</th>`)}
      </tr>
    </thead>
    <tbody>
      ${rows.map(
        ([name, ...cells]) =>
          html`<tr>
            <th scope="row">${name}</th>
            ${cells.map((cell) => html`<td>${cell}</td>`)}
          </tr>`,
      )}
    </tbody>
  </table>`;
}
