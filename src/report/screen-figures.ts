/** Pictures of a screening: differences of a set and its reference in the same bins, and its parts ranked. */

import * as Plot from '@observablehq/plot';
import type { Group } from '../screen/groups.ts';
import type { TraitResult } from '../screen/result.ts';
import { bottomAxis, drawBoth, figure, pageWidth, type Drawing } from './chart.ts';
import { html, type Html } from './escape.ts';
import { count, percent, signed } from './format.ts';

const margins = { marginLeft: 38, marginRight: 16, marginTop: 16, marginBottom: 46 };

export function histogramFigure(trait: TraitResult): Html {
  const { histogram, threshold } = trait;
  const { edges, set, reference } = histogram;
  if (edges.length === 0) return html`<p class="empty">There are no figures.</p>`;
  return figure({
    picture: drawBoth(pageWidth, (width, phone) => histogramDrawing(trait, width, phone ? 240 : 320)),
    caption: html`Answers by their difference,
    ${reference ? 'this data (filled) and the reference (outline)' : 'all of this data'}.
    ${threshold === undefined ? '' : html`The dashed line is the threshold, ${signed(threshold, 2)}.`}`,
    head: ['Difference from', 'to', 'Data', ...(reference ? ['Reference'] : [])],
    rows: set.map((share, i) => [
      signed(edges[i], 2),
      signed(edges[i + 1], 2),
      percent(share, 1),
      ...(reference ? [percent(reference[i]!, 1)] : []),
    ]),
  });
}

function histogramDrawing(
  { name, histogram, threshold, n }: TraitResult,
  width: number,
  height: number,
): Drawing {
  const { edges, set, reference } = histogram;
  const bars = set.map((share, i) => ({ x1: edges[i]!, x2: edges[i + 1]!, y: 100 * share }));
  const outline = reference?.flatMap((share, i) => [
    { x: edges[i]!, y: 100 * share },
    { x: edges[i + 1]!, y: 100 * share },
  ]);
  return {
    description: `${count(n)} differences of ${name}, from ${signed(edges[0], 2)} to ${signed(edges.at(-1), 2)}.`,
    width,
    height,
    ...margins,
    y: { nice: true, zero: true },
    marks: [
      Plot.gridY({ stroke: 'var(--rule)', strokeOpacity: 1 }),
      Plot.axisY({ tickSize: 0, tickPadding: 10, label: null, fill: 'var(--muted)', ticks: 4 }),
      bottomAxis('difference; shares in %'),
      Plot.rectY(bars, { x1: 'x1', x2: 'x2', y: 'y', fill: 'var(--trait)', fillOpacity: 0.6 }),
      ...(outline ? [Plot.lineY(outline, { x: 'x', y: 'y', stroke: 'var(--ink)', strokeWidth: 1.5 })] : []),
      ...(threshold === undefined
        ? []
        : [Plot.ruleX([threshold], { stroke: 'var(--plus)', strokeDasharray: '4 3' })]),
    ],
  };
}

/** Sets that a picture has room for; the table below has all. */
const MOST_BARS = 30;
const BAR = 26;
const NAME_WIDTH = 200;
const MOST_CHARACTERS = 28;

export function rankingFigure(trait: string, title: string, groups: readonly Group[]): Html {
  const shown = groups.slice(0, MOST_BARS).map(({ name, traits }, i) => ({
    key: String(i),
    name: name.length > MOST_CHARACTERS ? `…${name.slice(-MOST_CHARACTERS + 1)}` : name,
    ...traits[trait]!,
  }));
  const names = new Map(shown.map(({ key, name }) => [key, name]));
  const spans = shown.filter(({ low }) => Number.isFinite(low));
  return figure({
    picture: drawBoth(pageWidth, (width, phone) => ({
      description: `Mean difference of ${shown.map(({ name, mean }) => `${name}: ${signed(mean, 2)}`).join(', ')}.`,
      width,
      height: 60 + BAR * shown.length,
      ...margins,
      marginLeft: phone ? NAME_WIDTH / 2 : NAME_WIDTH,
      x: { nice: true },
      y: { domain: shown.map(({ key }) => key) },
      marks: [
        Plot.gridX({ stroke: 'var(--rule)', strokeOpacity: 1 }),
        Plot.axisX({ tickSize: 0, label: null, fill: 'var(--muted)', ticks: 5 }),
        Plot.axisY({
          tickSize: 0,
          label: null,
          fill: 'var(--muted)',
          tickFormat: (key: string) => names.get(key) ?? '',
        }),
        Plot.ruleX([0], { stroke: 'var(--muted)' }),
        Plot.ruleY(spans, {
          y: 'key',
          x1: 'low',
          x2: 'high',
          stroke: 'var(--trait)',
          strokeWidth: 2,
          strokeOpacity: 0.4,
        }),
        Plot.dot(shown, {
          y: 'key',
          x: 'mean',
          r: 4.5,
          fill: 'var(--paper)',
          stroke: 'var(--trait)',
          strokeWidth: 2,
        }),
      ],
    })),
    caption: html`${groups.length > MOST_BARS ? `The first ${MOST_BARS} of ${count(groups.length)}.` : ''}`,
    head: [title, 'Answers', 'Mean', '95 %', 'Over'],
    rows: groups.map(({ name, rows, traits }) => {
      const { mean, low, high, share } = traits[trait]!;
      return [
        name,
        count(rows),
        signed(mean, 2),
        `${signed(low, 2)} to ${signed(high, 2)}`,
        share === null ? '–' : percent(share, 1),
      ];
    }),
  });
}
