/** The page of a sweep: trait and coherence as heat maps of layer and coefficient, and the figures behind them. */

import * as Plot from '@observablehq/plot';
import { version } from '../files/package-version.ts';
import { writeWhole } from '../files/write-whole.ts';
import type { ModelIdentity } from '../model/chat-model.ts';
import type { Dose } from '../vector/dose.ts';
import type { Swept, SweptVariant } from '../vector/sweep-vector.ts';
import type { CoefficientUnit } from '../vector/variants.ts';
import { drawBoth, figure, pageWidth, type Drawing } from './chart.ts';
import { interval } from './dose-figure.ts';
import { html, source, type Html } from './escape.ts';
import { coefficient, fixed } from './format.ts';
import { page, section } from './page.ts';

export interface SweepPageData {
  trait: string;
  model: ModelIdentity;
  judge: string;
  unit: CoefficientUnit;
  swept: Swept;
}

/** Written whole: a reader, or a killed run, never sees half of it. */
export async function writeSweepPage(path: string, data: SweepPageData): Promise<void> {
  await writeWhole(path, renderSweep(data));
}

export function renderSweep({ trait, model, judge, unit, swept }: SweepPageData): string {
  const units = { raw: 'times the vector', length: 'length of the push', percent: '% of the residual norm' };
  return source(
    page({
      title: `${trait} · sweep on ${model.name}`,
      version,
      kind: 'Sweep',
      heading: trait,
      lead: html`What steering does at each layer and coefficient (${units[unit]}). A score is the mean of
      ${swept.unsteered.trait.n} answers.`,
      meta: [model.name, `judged by ${judge}`],
      main: swept.variants.map((variant) =>
        section(
          variant.name === '' ? 'The usual way' : variant.name,
          html`${variant.coefficient === undefined ? 'No positive coefficient keeps the answers coherent.' : `Best at layer ${variant.layer}, coefficient ${coefficient(variant.coefficient)}: ${variant.why}.`}`,
          variantFigure(variant, swept.unsteered),
        ),
      ),
    }),
  );
}

function variantFigure({ steered }: SweptVariant, unsteered: Dose): Html {
  const layers = [...new Set(steered.map(({ layer }) => layer))].sort((a, b) => a - b);
  const cells = [...steered, ...layers.map((layer) => ({ ...unsteered, layer }))];
  const sorted = cells.sort((a, b) => a.layer - b.layer || a.coefficient - b.coefficient);
  return figure({
    picture: html`${(['trait', 'coherence'] as const).map(
      (score) =>
        html`<p class="panel-title"><b>${score}</b> <span>0–100, mean</span></p>
          ${drawBoth(pageWidth, (width) => heatDrawing(sorted, score, width))}`,
    )}`,
    caption: html`Rows are layers, columns coefficients; unsteered answers are the same in every row.`,
    head: ['Layer', 'Coefficient', 'Trait', '95 %', 'Coherence', '95 %'],
    rows: sorted.map((dose) => [
      String(dose.layer),
      coefficient(dose.coefficient),
      fixed(dose.trait.mean, 1),
      interval(dose.trait),
      fixed(dose.coherence.mean, 1),
      interval(dose.coherence),
    ]),
  });
}

const rowHeight = 34;
const margins = { marginLeft: 62, marginRight: 8, marginTop: 8, marginBottom: 40 };

function heatDrawing(cells: readonly Dose[], score: 'trait' | 'coherence', width: number): Drawing {
  const layers = [...new Set(cells.map(({ layer }) => layer))];
  const words = cells.map(
    (dose) => `layer ${dose.layer} at ${coefficient(dose.coefficient)} ${fixed(dose[score].mean)}`,
  );
  const place = {
    x: (dose: Dose) => coefficient(dose.coefficient),
    y: (dose: Dose) => `layer ${dose.layer}`,
  };
  return {
    description: `${score} by layer and coefficient: ${words.join('; ')}.`,
    width,
    height: layers.length * rowHeight + margins.marginTop + margins.marginBottom,
    ...margins,
    x: { type: 'band', domain: [...new Set(cells.map(place.x))], label: null, tickSize: 0, padding: 0.04 },
    y: {
      type: 'band',
      domain: layers.map((layer) => `layer ${layer}`),
      label: null,
      tickSize: 0,
      padding: 0.06,
    },
    marks: [
      Plot.cell(cells, {
        ...place,
        fill: `var(--${score})`,
        fillOpacity: (dose: Dose) => 0.06 + (0.74 * (dose[score].mean || 0)) / 100,
      }),
      Plot.text(cells, { ...place, text: (dose: Dose) => fixed(dose[score].mean), fill: 'var(--ink)' }),
    ],
  };
}
