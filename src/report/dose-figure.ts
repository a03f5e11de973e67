/** Dose and response at the chosen layer: trait and coherence against the coefficient, with 95 % intervals. */

import * as Plot from '@observablehq/plot';
import { drawBoth, figure, pageWidth, placesAxis, valueAxis, type Drawing } from './chart.ts';
import { html, type Html } from './escape.ts';
import { doseAt, measuredDoses } from './finding.ts';
import { coefficient, count, fixed } from './format.ts';
import type { Dose, Estimate, ReportData } from './report-data.ts';

type Score = 'trait' | 'coherence';

/** Points of score between the two names at the right edge, so that they do not overprint. */
const nameGap = 6;
/** Pixels that the longest word above the plot takes. */
const flagRoom = 80;
const margins = { marginLeft: 38, marginRight: 90, marginTop: 30, marginBottom: 46 };

export function doseFigure(data: ReportData): Html {
  const doses = measuredDoses(data.doses);
  if (doses.length === 0) return html`<p class="empty">No dose was judged in this run.</p>`;
  return figure({
    picture: drawBoth(pageWidth, (width, phone) => doseDrawing(data, doses, width, phone ? 320 : 400)),
    caption: html`Mean scores of the judge, 0–100, by steering coefficient at layer ${data.chosen.layer}.
    ${doses.length > 1 ? 'Bands' : 'Bars'} are 95&nbsp;% bootstrap intervals.`,
    head: ['Coefficient', 'Trait', '95 %', 'Coherence', '95 %', 'Answers'],
    rows: doses.map((dose) => [
      coefficient(dose.coefficient),
      fixed(dose.trait.mean, 1),
      interval(dose.trait),
      fixed(dose.coherence.mean, 1),
      interval(dose.coherence),
      count(dose.trait.n),
    ]),
  });
}

export function interval({ low, high }: Estimate): string {
  return `${fixed(low, 1)}–${fixed(high, 1)}`;
}

function doseDrawing({ chosen }: ReportData, doses: readonly Dose[], width: number, height: number): Drawing {
  const places = [...new Set([0, ...doses.map((dose) => dose.coefficient)])];
  const recommended =
    doseAt(doses, chosen.coefficient) && chosen.coefficient !== 0 ? chosen.coefficient : undefined;
  const domain = around(places, doses.length < 2);
  const room = width - margins.marginLeft - margins.marginRight;
  return {
    description: describe(doses, recommended),
    width,
    height,
    ...margins,
    x: { domain },
    y: { domain: [0, 100] },
    marks: [
      ...valueAxis([0, 25, 50, 75, 100]),
      placesAxis(places, { domain, room, format: coefficient, label: 'steering coefficient' }),
      Plot.ruleX([0], { stroke: 'var(--muted)' }),
      ...flags(recommended, domain, room),
      ...curve(doses, 'coherence'),
      ...curve(doses, 'trait'),
      ...names(doses),
    ],
  };
}

/** From the least to the greatest with air on both sides when asked for, never empty. */
function around(places: readonly number[], airy: boolean): [number, number] {
  const [low, high] = [Math.min(...places), Math.max(...places)];
  const air = airy ? (high - low) / 2 || 1 : 0;
  return [low - air, high + air];
}

/** The recommended line, and words above the plot that name it and the zero line, where there is room for both. */
function flags(recommended: number | undefined, domain: [number, number], room: number): Plot.Markish[] {
  const pixel = (at: number): number => ((at - domain[0]) / (domain[1] - domain[0])) * room;
  const flag = (at: number, text: string, side: 'left' | 'right', fill: string): Plot.Markish =>
    Plot.text([text], {
      x: at,
      frameAnchor: 'top',
      dy: -16,
      textAnchor: side === 'left' ? 'end' : 'start',
      fill,
      fontWeight: 500,
    });
  const zero = pixel(0);
  const zeroSide = (recommended ?? 1) < 0 || zero + margins.marginLeft < flagRoom ? 'right' : 'left';
  if (recommended === undefined) return [flag(0, 'unsteered', zeroSide, 'var(--muted)')];
  const place = pixel(recommended);
  const outward = recommended < 0 || recommended === domain[1]; // at the right end the curves have their names
  const side = outward && place + margins.marginLeft > flagRoom ? 'left' : 'right';
  const [left, right] = [textSpan(zero, zeroSide), textSpan(place, side)].sort((a, b) => a[0] - b[0]);
  const apart = left![1] <= right![0];
  return [
    ...(apart ? [flag(0, 'unsteered', zeroSide, 'var(--muted)')] : []),
    Plot.ruleX([recommended], { stroke: 'var(--trait)', strokeDasharray: '1.5 3.5', strokeWidth: 1.5 }),
    flag(recommended, 'recommended', side, 'var(--trait)'),
  ];
}

/** Pixels that a flag's words take. */
function textSpan(at: number, side: 'left' | 'right'): [number, number] {
  return side === 'left' ? [at - flagRoom, at] : [at, at + flagRoom];
}

/** Interval, line and points of one score; the two scores differ in colour, dash and shape. */
function curve(doses: readonly Dose[], score: Score): Plot.Markish[] {
  const colour = `var(--${score})`;
  const x = (dose: Dose): number => dose.coefficient;
  const ends = { y1: (dose: Dose): number => dose[score].low, y2: (dose: Dose): number => dose[score].high };
  // beside each other rather than on top, where there is nothing but bars
  const dx = score === 'trait' ? -4 : 4;
  const point = {
    x,
    y: (dose: Dose): number => dose[score].mean,
    r: 4.5,
    fill: 'var(--paper)',
    stroke: colour,
    strokeWidth: 2,
    symbol: score === 'trait' ? ('circle' as const) : ('diamond' as const),
  };
  if (doses.length < 2) {
    return [
      Plot.ruleX(doses, { x, ...ends, stroke: colour, strokeWidth: 2, dx }),
      Plot.dot(doses, { ...point, dx }),
    ];
  }
  return [
    Plot.areaY(doses, { x, ...ends, fill: colour, fillOpacity: 0.14 }),
    Plot.lineY(doses, {
      x,
      y: point.y,
      stroke: colour,
      strokeWidth: 2,
      ...(score === 'coherence' && { strokeDasharray: '6 4' }),
    }),
    Plot.dot(doses, point),
  ];
}

/** The scores' names at the end of their curves, in place of a legend. */
function names(doses: readonly Dose[]): Plot.Markish[] {
  const last = doses.at(-1);
  if (!last) return [];
  const middle = (last.trait.mean + last.coherence.mean) / 2;
  const apart = Math.max(Math.abs(last.trait.mean - last.coherence.mean), nameGap) / 2;
  const above: Score = last.trait.mean >= last.coherence.mean ? 'trait' : 'coherence';
  return (['trait', 'coherence'] as const).map((score) =>
    Plot.text([score], {
      x: last.coefficient,
      y: middle + (score === above ? apart : -apart),
      dx: 12,
      textAnchor: 'start',
      fill: `var(--${score})`,
      fontWeight: 600,
    }),
  );
}

function describe(doses: readonly Dose[], recommended: number | undefined): string {
  const points = doses.map(
    (dose) =>
      `at ${coefficient(dose.coefficient)} trait ${fixed(dose.trait.mean)}, coherence ${fixed(dose.coherence.mean)}`,
  );
  const mark =
    recommended === undefined ? '' : ` The recommended coefficient is ${coefficient(recommended)}.`;
  return `Judged trait and coherence by steering coefficient: ${points.join('; ')}.${mark}`;
}
