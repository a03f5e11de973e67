/** How many rollouts were kept, and why the others fell. */

import * as Plot from '@observablehq/plot';
import { drawBoth, figure, pageWidth, type Drawing } from './chart.ts';
import { html, type Html } from './escape.ts';
import { count, percent, plural } from './format.ts';
import type { ReportData } from './report-data.ts';

interface Bar {
  label: string;
  value: number;
  share: string;
  kept: boolean;
}

const barHeight = 44;
/** Room on the right for "2 000 · 100 %". */
const readingRoom = 96;

export function countsFigure({ counts }: ReportData): Html {
  if (counts.asked === 0)
    return html`<p class="empty">No answers were asked for: the vector came from elsewhere.</p>`;
  const dropped = counts.dropped.toSorted((a, b) => b.count - a.count);
  const bars = [
    { label: 'kept', value: counts.kept, kept: true },
    ...dropped.map(({ reason, count: value }) => ({ label: reason, value, kept: false })),
  ].map((bar) => ({ ...bar, share: percent(bar.value / counts.asked) }));
  return figure({
    picture: drawBoth(pageWidth, (width) => countsDrawing(bars, counts.asked, width)),
    caption: html`Of ${plural(counts.asked, 'answer')} asked for, ${count(counts.kept)} went into the vector.
    ${dropped.length === 0 ? 'None was dropped.' : ''}`,
    head: ['Outcome', 'Rollouts', 'Share'],
    rows: bars.map(({ label, value, share }) => [label, count(value), share]),
  });
}

function countsDrawing(bars: readonly Bar[], asked: number, width: number): Drawing {
  const row = { y: (_: Bar, index: number): number => index };
  const readings = bars.map(({ label, value, share }) => `${label} ${count(value)} (${share})`);
  return {
    description: `Rollouts by outcome: ${readings.join('; ')}.`,
    width,
    height: bars.length * barHeight,
    margin: 0,
    marginRight: readingRoom,
    x: { domain: [0, asked], axis: null },
    y: { type: 'band', domain: bars.map((_, index) => index), axis: null, padding: 0 },
    marks: [
      Plot.barX(bars, { ...row, x1: 0, x2: asked, fill: 'var(--wash)', insetTop: 24, insetBottom: 10 }),
      Plot.barX(bars, {
        ...row,
        x1: 0,
        x2: 'value',
        fill: (bar: Bar) => (bar.kept ? 'var(--ink)' : 'var(--faint)'),
        insetTop: 24,
        insetBottom: 10,
      }),
      Plot.text(bars, {
        ...row,
        x: 0,
        text: 'label',
        textAnchor: 'start',
        dy: -9,
        fill: 'var(--ink)',
        lineWidth: (width - readingRoom) / 12,
        textOverflow: 'ellipsis',
      }),
      Plot.text(bars, {
        ...row,
        x: asked,
        text: (bar: Bar) => `${count(bar.value)} · ${bar.share}`,
        textAnchor: 'start',
        dx: 12,
        dy: 7,
        fill: 'var(--muted)',
      }),
    ],
  };
}
