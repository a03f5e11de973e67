/** The page of a sweep: trait and coherence as heat maps of layer and coefficient, and the figures behind them. */

import * as Plot from '@observablehq/plot';
import { version } from '../files/package-version.ts';
import { writeWhole } from '../files/write-whole.ts';
import type { ModelIdentity } from '../model/chat-model.ts';
import type { Dose } from '../vector/dose.ts';
import type { Swept, SweptVariant } from '../vector/sweep-vector.ts';
import type { CoefficientUnit, Variant } from '../vector/variants.ts';
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
          chosenText(variant),
          variantFigure(variant, swept.unsteered),
        ),
      ),
    }),
  );
}

function chosenText({ variant, layer, coefficient: best, why }: SweptVariant): string {
  if (best === undefined) return 'No positive coefficient keeps the answers coherent.';
  const place = isEverywhere(variant) ? 'all layers' : `layer ${layer}`;
  return `Best at ${place}, coefficient ${coefficient(best)}: ${why}.`;
}

/** Its only row is one of all layers, whichever it is noted at. */
function isEverywhere({ spread }: Variant): boolean {
  return spread === 'incremental';
}

function variantFigure({ steered, variant }: SweptVariant, unsteered: Dose): Html {
  const everywhere = isEverywhere(variant);
  const rowOf = ({ layer }: Dose): string => (everywhere ? 'all layers' : `layer ${layer}`);
  const layers = [...new Set(steered.map(({ layer }) => layer))].sort((a, b) => a - b);
  const cells = [...steered, ...layers.map((layer) => ({ ...unsteered, layer }))];
  const sorted = cells.sort((a, b) => a.layer - b.layer || a.coefficient - b.coefficient);
  return figure({
    picture: html`${(['trait', 'coherence'] as const).map(
      (score) =>
        html`<p class="panel-title"><b>${score}</b> <span>0–100, mean</span></p>
          ${drawBoth(pageWidth, (width) => heatDrawing(sorted, score, rowOf, width))}`,
    )}`,
    caption: everywhere
      ? html`Increments at every layer, columns coefficients.`
      : html`Rows are layers, columns coefficients; unsteered answers are the same in every row.`,
    head: ['Layer', 'Coefficient', 'Trait', '95 %', 'Coherence', '95 %'],
    rows: sorted.map((dose) => [
      everywhere ? 'all' : String(dose.layer),
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

function heatDrawing(
  cells: readonly Dose[],
  score: 'trait' | 'coherence',
  rowOf: (dose: Dose) => string,
  width: number,
): Drawing {
  const rows = [...new Set(cells.map(rowOf))];
  const words = cells.map(
    (dose) => `${rowOf(dose)} at ${coefficient(dose.coefficient)} ${fixed(dose[score].mean)}`,
  );
  const place = {
    x: (dose: Dose) => coefficient(dose.coefficient),
    y: rowOf,
  };
  return {
    description: `${score} by layer and coefficient: ${words.join('; ')}.`,
    width,
    height: rows.length * rowHeight + margins.marginTop + margins.marginBottom,
    ...margins,
    x: { type: 'band', domain: [...new Set(cells.map(place.x))], label: null, tickSize: 0, padding: 0.04 },
    y: {
      type: 'band',
      domain: rows,
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
