/** The layers: how long and how telling the vector is at each of them, and the sweep that chose one. */

import * as Plot from '@observablehq/plot';
import { drawBoth, figure, pageWidth, placesAxis, smallWidth, valueAxis, type Drawing } from './chart.ts';
import { interval } from './dose-figure.ts';
import { html, type Html } from './escape.ts';
import { coefficient, fixed, percent } from './format.ts';
import type { Dose, LayerRow, ReportData } from './report-data.ts';
import { panelsOf, type SweepPanel } from './sweep.ts';

/** One small picture among several with the same x axis. */
interface Panel {
  title: string;
  note: string;
  picture: Html;
}

const margins = { marginLeft: 38, marginRight: 16, marginTop: 26, marginBottom: 44 };

export function profileFigure({ layers, chosen }: ReportData): Html {
  if (layers.length === 0) return html`<p class="empty">No figures by layer in this run.</p>`;
  const rows = layers.toSorted((a, b) => a.layer - b.layer);
  const share = (row: LayerRow): number => (row.norm / row.residualNorm) * 100;
  const lowestAuc = Math.min(0.5, ...rows.map((row) => row.auc).filter(Number.isFinite));
  const panels = [
    profilePanel(rows, chosen.layer, {
      title: 'Separation',
      note: 'AUC of the projection; 0.5 is chance',
      value: (row) => row.auc,
      domain: [Math.floor(lowestAuc * 10) / 10, 1],
      digits: 2,
    }),
    profilePanel(rows, chosen.layer, {
      title: 'Relative length',
      note: 'norm as % of the residual stream’s',
      value: share,
      digits: 1,
    }),
    profilePanel(rows, chosen.layer, {
      title: 'Length',
      note: 'norm of the vector',
      value: (row) => row.norm,
      digits: 2,
    }),
  ];
  return figure({
    picture: grid(panels),
    caption: html`The vector at every layer. A layer is the residual stream after that block, counted from 0;
    the line marks layer ${chosen.layer}.`,
    head: ['Layer', 'Norm', 'Residual norm', '% of residual', 'AUC'],
    rows: rows.map((row) => [
      String(row.layer),
      fixed(row.norm, 3),
      fixed(row.residualNorm, 1),
      percent(row.norm / row.residualNorm, 1),
      fixed(row.auc, 3),
    ]),
  });
}

export function sweepFigure({ sweep, layers, chosen }: ReportData): Html {
  const panels = panelsOf(sweep, layers);
  if (panels.length === 0) return html`<p class="empty">No layers were swept in this run.</p>`;
  return figure({
    picture: grid(
      panels.map((panel) => ({
        title: panel.title,
        note: panel.note,
        picture: drawBoth(panels.length > 1 ? smallWidth : pageWidth, (width) =>
          sweepDrawing(panel, chosen.layer, width),
        ),
      })),
    ),
    caption: html`The sweep over layers at equal dose: <span class="key trait">trait</span> and
      <span class="key coherence">coherence</span> as judged, 0–100, with 95&nbsp;% intervals.`,
    head: ['Layer', 'Coefficient', 'Trait', '95 %', 'Coherence', '95 %'],
    rows: panels.flatMap(({ doses }) =>
      doses.map((dose) => [
        String(dose.layer),
        coefficient(dose.coefficient),
        fixed(dose.trait.mean, 1),
        interval(dose.trait),
        fixed(dose.coherence.mean, 1),
        interval(dose.coherence),
      ]),
    ),
  });
}

function grid(panels: readonly Panel[]): Html {
  return html`<div class="panels">
    ${panels.map(
      ({ title, note, picture }) =>
        html`<div class="panel">
          <p class="panel-title"><b>${title}</b> <span>${note}</span></p>
          ${picture}
        </div>`,
    )}
  </div>`;
}

interface Profile {
  title: string;
  note: string;
  value: (row: LayerRow) => number;
  /** @default from 0 to a little above the greatest value */
  domain?: [number, number];
  digits: number;
}

function profilePanel(rows: readonly LayerRow[], chosen: number, profile: Profile): Panel {
  const { title, note, value, digits } = profile;
  const shown = rows.filter((row) => Number.isFinite(value(row)));
  const here = shown.filter((row) => row.layer === chosen);
  const [peak] = shown.toSorted((a, b) => value(b) - value(a));
  const top = peak && value(peak) > 0 ? value(peak) * 1.1 : 1;
  const domain = profile.domain ?? [0, top];
  const point = { x: 'layer', y: value, fill: 'var(--ink)' };
  const reading = here.map((row) => `layer ${chosen}: ${fixed(value(row), digits)}`).join('');
  const greatest = peak ? `greatest at layer ${peak.layer}: ${fixed(value(peak), digits)}` : '';
  const marks = [
    ...valueAxis(profile.domain ? ends(domain) : roundSteps(top)),
    Plot.lineY(shown, { ...point, fill: 'none', stroke: 'var(--ink)', strokeWidth: 1.5 }),
    Plot.dot(shown, { ...point, r: 1.75 }),
    Plot.dot(here, { ...point, r: 4.5, fill: 'var(--trait)' }),
  ];
  const picture = drawBoth(smallWidth, (width) => ({
    ...layerFrame({ rows, chosen, width, flag: reading, marks }),
    description: `${title} by layer (${note}): ${[reading, greatest].filter((text) => text !== '').join('; ')}.`,
    y: { domain },
  }));
  return { title, note, picture };
}

function sweepDrawing({ title, doses }: SweepPanel, chosen: number, width: number): Drawing {
  const curves = (['coherence', 'trait'] as const).flatMap((score) => {
    const stroke = `var(--${score})`;
    const dash = score === 'coherence' ? { strokeDasharray: '5 3.5' } : {};
    const symbol = score === 'coherence' ? ('diamond' as const) : ('circle' as const);
    const y = (dose: Dose): number => dose[score].mean;
    const bounds = {
      y1: (dose: Dose): number => dose[score].low,
      y2: (dose: Dose): number => dose[score].high,
    };
    return [
      Plot.areaY(doses, { x: 'layer', ...bounds, fill: stroke, fillOpacity: 0.14 }),
      Plot.lineY(doses, { x: 'layer', y, stroke, strokeWidth: 1.75, ...dash }),
      Plot.dot(doses, { x: 'layer', y, stroke, strokeWidth: 1.5, fill: 'var(--paper)', r: 3, symbol }),
    ];
  });
  const points = doses.map(
    (dose) => `layer ${dose.layer} trait ${fixed(dose.trait.mean)}, coherence ${fixed(dose.coherence.mean)}`,
  );
  const marks = [...valueAxis([0, 50, 100]), ...curves];
  return {
    ...layerFrame({ rows: doses, chosen, width, flag: `layer ${chosen}`, marks }),
    description: `${title}. Judged scores by layer: ${points.join('; ')}.`,
    y: { domain: [0, 100] },
  };
}

interface LayerFrame {
  rows: readonly { layer: number }[];
  chosen: number;
  width: number;
  /** what is said above the line at the chosen layer */
  flag: string;
  marks: Plot.Markish[];
}

/** The x axis of layers, with the chosen one marked where it lies within. */
function layerFrame({ rows, chosen, width, flag, marks }: LayerFrame): Omit<Drawing, 'description'> {
  const places = rows.map((row) => row.layer);
  const [low, high] = [Math.min(...places), Math.max(...places)];
  const domain: [number, number] = low < high ? [low, high] : [low - 1, high + 1];
  const within = chosen >= domain[0] && chosen <= domain[1];
  const room = width - margins.marginLeft - margins.marginRight;
  const textAnchor = chosen > (domain[0] + domain[1]) / 2 ? 'end' : 'start';
  const line = { stroke: 'var(--trait)', strokeDasharray: '1.5 3.5', strokeWidth: 1.5 };
  const name = { frameAnchor: 'top', dy: -14, textAnchor, fill: 'var(--trait)', fontWeight: 500 } as const;
  return {
    width,
    height: width === pageWidth ? 270 : 190,
    ...margins,
    x: { domain },
    marks: [
      placesAxis(places, { domain, room, format: String, label: 'layer' }),
      ...(within ? [Plot.ruleX([chosen], line), Plot.text([flag], { x: chosen, ...name })] : []),
      ...marks,
    ],
  };
}

/** Both ends and the middle. */
function ends([low, high]: [number, number]): number[] {
  return [low, (low + high) / 2, high];
}

/** 0 and up to four round numbers to `top` */
function roundSteps(top: number): number[] {
  const rough = top / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10);
  return Array.from({ length: Math.floor(top / step) + 1 }, (_, index) =>
    Number((index * step).toPrecision(6)),
  );
}
