/** Pictures of a monitor: prediction against score, hits against false alarms, and the mean score at each height. */

import * as Plot from '@observablehq/plot';
import { mainFigures, type MonitorEvaluation, type WatchResult } from '../monitor/evaluate.ts';
import { calibrationBins, SHOWS_TRAIT } from '../monitor/figures.ts';
import type { Point } from '../monitor/points.ts';
import { bottomAxis, drawBoth, figure, pageWidth, valueAxis, type Drawing } from './chart.ts';
import { html, type Html } from './escape.ts';
import { count, fixed, percent, sigma } from './format.ts';

const margins = { marginLeft: 38, marginRight: 16, marginTop: 16, marginBottom: 46 };

/** Suppressing blue, promoting orange: the colours that stay apart for colour-blind readers. */
function shade(place: number): string {
  const colour = place < 0.5 ? 'var(--minus)' : 'var(--plus)';
  const strength = Math.round(30 + 140 * Math.abs(place - 0.5));
  return `color-mix(in srgb, ${colour} ${Math.min(100, strength)}%, var(--rule))`;
}

/** Colour by the place among the system prompts; exchanges, which have another axis, in one colour and shape. */
export function scatterFigure(watch: WatchResult, { conditions }: MonitorEvaluation): Html {
  if (watch.points.length === 0) return html`<p class="empty">No answer was given a score.</p>`;
  const system = conditions.filter(({ setting }) => setting === 'system');
  const shots = conditions.filter(({ setting }) => setting === 'shots');
  const colours = new Map([
    ...system.map(({ id }, i): [string, string] => [
      id,
      shade(system.length > 1 ? i / (system.length - 1) : 1),
    ]),
    ...shots.map(({ id }, i): [string, string] => [
      id,
      `color-mix(in srgb, var(--coherence) ${Math.round(40 + (60 * (i + 1)) / shots.length)}%, var(--rule))`,
    ]),
  ]);
  const isShot = new Set(shots.map(({ id }) => id));
  const labels = new Map(conditions.map(({ id, label }) => [id, label]));
  return figure({
    picture: drawBoth(pageWidth, (width, phone) =>
      scatterDrawing(watch, colours, isShot, width, phone ? 300 : 420),
    ),
    caption: html`Mean score, 0–100, by the projection of the last prompt token. Circles are system prompts,
    from suppressing (blue) to promoting (orange); diamonds are earlier exchanges, darker the more there are.
    The dashed line is the mean of neutral prompts.`,
    head: ['Condition', 'Question', 'Projection', 'Trait'],
    rows: watch.points.map((point) => [
      labels.get(point.condition)!,
      String(point.questionIndex + 1),
      fixed(point.projection, 2),
      fixed(point.trait, 1),
    ]),
  });
}

function scatterDrawing(
  { points, neutral }: WatchResult,
  colours: ReadonlyMap<string, string>,
  isShot: ReadonlySet<string>,
  width: number,
  height: number,
): Drawing {
  const projections = points.map(({ projection }) => projection);
  const showing = points.filter(({ trait }) => trait >= SHOWS_TRAIT).length;
  return {
    description: `${points.length} points of projection and trait score, from ${fixed(Math.min(...projections), 2)} to ${fixed(Math.max(...projections), 2)}; ${showing} of them score ${SHOWS_TRAIT} or more.`,
    width,
    height,
    ...margins,
    x: { nice: true },
    y: { domain: [0, 100] },
    marks: [
      ...valueAxis([0, 25, 50, 75, 100]),
      bottomAxis('projection of the last prompt token'),
      Plot.ruleX([neutral.mean], { stroke: 'var(--muted)', strokeDasharray: '3 3' }),
      Plot.dot(points, {
        x: 'projection',
        y: 'trait',
        r: 4,
        stroke: (point: Point) => colours.get(point.condition)!,
        strokeWidth: 1.8,
        fill: (point: Point) => colours.get(point.condition)!,
        fillOpacity: 0.35,
        symbol: (point: Point) => (isShot.has(point.condition) ? 'diamond' : 'circle'),
      }),
    ],
    color: { type: 'identity' },
    symbol: { type: 'identity' } as never,
  };
}

export function rocFigure(watch: WatchResult): Html {
  const detection = mainFigures(watch)?.detection;
  if (!detection || detection.roc.length === 0)
    return html`<p class="empty">
      All answers lie on one side of a score of ${SHOWS_TRAIT}: there is nothing to tell apart.
    </p>`;
  const { roc, auc, best, positives, negatives } = detection;
  return figure({
    picture: drawBoth(Math.round(pageWidth / 2), (width, phone) => ({
      description: `Hits against false alarms; the area under the curve is ${fixed(auc.mean, 2)}.`,
      width,
      height: phone ? 320 : 380,
      ...margins,
      x: { domain: [0, 100] },
      y: { domain: [0, 100] },
      marks: [
        ...valueAxis([0, 25, 50, 75, 100]),
        bottomAxis('false alarms, %'),
        Plot.link([0], { x1: 0, y1: 0, x2: 100, y2: 100, stroke: 'var(--muted)', strokeDasharray: '3 3' }),
        Plot.lineY(roc, {
          x: ({ falseAlarms }: (typeof roc)[number]) => 100 * falseAlarms,
          y: ({ hits }: (typeof roc)[number]) => 100 * hits,
          stroke: 'var(--trait)',
          strokeWidth: 2,
        }),
        ...(best
          ? [
              Plot.dot([best], {
                x: 100 * best.falseAlarms,
                y: 100 * best.hits,
                r: 5,
                fill: 'var(--paper)',
                stroke: 'var(--trait)',
                strokeWidth: 2,
              }),
            ]
          : []),
      ],
    })),
    caption: html`Hits, % of the ${count(positives)} points with a trait of ${SHOWS_TRAIT} and more, against
    false alarms among the ${count(negatives)} others, bound by bound. The circle is the best bound.`,
    head: ['Alarm from', 'Hits', 'False alarms'],
    rows: roc
      .slice(1)
      .map(({ bound, hits, falseAlarms }) => [fixed(bound, 2), percent(hits), percent(falseAlarms)]),
  });
}

export function calibrationFigure({ points, neutral }: WatchResult): Html {
  const bins = calibrationBins(points);
  const places = bins.map((bin) => ({
    ...bin,
    x: neutral.deviation > 0 ? (bin.projection - neutral.mean) / neutral.deviation : bin.projection,
  }));
  if (bins.length === 0) return html``;
  const unit = neutral.deviation > 0 ? 'standard deviations from neutral prompts' : 'projection';
  return figure({
    picture: drawBoth(pageWidth, (width, phone) => ({
      description: `Mean trait score by height of the prediction: ${places.map(({ x, trait }) => `${fixed(trait.mean)} at ${fixed(x, 1)}`).join(', ')}.`,
      width,
      height: phone ? 260 : 300,
      ...margins,
      x: { nice: true },
      y: { domain: [0, 100] },
      marks: [
        ...valueAxis([0, 25, 50, 75, 100]),
        bottomAxis(unit),
        Plot.ruleX(places, {
          x: 'x',
          y1: ({ trait }: (typeof places)[number]) => trait.low,
          y2: ({ trait }: (typeof places)[number]) => trait.high,
          stroke: 'var(--trait)',
          strokeWidth: 2,
          strokeOpacity: 0.4,
        }),
        Plot.lineY(places, {
          x: 'x',
          y: ({ trait }: (typeof places)[number]) => trait.mean,
          stroke: 'var(--trait)',
          strokeWidth: 2,
        }),
        Plot.dot(places, {
          x: 'x',
          y: ({ trait }: (typeof places)[number]) => trait.mean,
          r: 4.5,
          fill: 'var(--paper)',
          stroke: 'var(--trait)',
          strokeWidth: 2,
        }),
      ],
    })),
    caption: html`What a prediction is worth: the mean score of the points in ${count(bins.length)} bins of
    equal size, by their height. Bars are 95&nbsp;% bootstrap intervals.`,
    head: ['Projection', 'From neutral', 'Trait', '95 %', 'Points'],
    rows: places.map(({ low, high, x, trait }) => [
      `${fixed(low, 2)} to ${fixed(high, 2)}`,
      neutral.deviation > 0 ? sigma(x) : '–',
      fixed(trait.mean, 1),
      `${fixed(trait.low, 1)}–${fixed(trait.high, 1)}`,
      count(trait.n),
    ]),
  });
}
