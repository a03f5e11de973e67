/** The page of a diff: the shift along each vector over the layers and over the checkpoints, and the figures behind. */

import * as Plot from '@observablehq/plot';
import { version } from '../files/package-version.ts';
import { writeWhole } from '../files/write-whole.ts';
import type { DiffResult } from '../screen/diff/diff.ts';
import type { VectorShift } from '../screen/diff/figures.ts';
import { bottomAxis, drawBoth, figure, pageWidth, wideTable, type Drawing } from './chart.ts';
import { html, source, type Html, type Part } from './escape.ts';
import { fixed, percent, plural, signed } from './format.ts';
import { page, section, type Card } from './page.ts';

/** @param results of one base, in the order of the trajectory */
export async function writeDiffPage(path: string, results: readonly DiffResult[]): Promise<void> {
  await writeWhole(path, renderDiff(results));
}

export function renderDiff(results: readonly DiffResult[]): string {
  const last = results.at(-1)!;
  const { vectors, prompts } = last.shifts;
  return source(
    page({
      title: `${last.name} · diff against ${last.base}`,
      version,
      kind: 'Diff',
      heading: results.length > 1 ? `${results[0]!.name} to ${last.name}` : last.name,
      lead: html`How far the residual stream at the last prompt token moved from ${last.base}, along
      ${plural(vectors.length, 'persona vector')}, over ${plural(prompts, 'prompt')}.`,
      finding: findingOf(last),
      meta: [`base ${last.base}`, ...(last.judge === undefined ? [] : [`judged by ${last.judge}`])],
      cards: cardsOf(last),
      main: [vectors.map((vector, i) => vectorPart(i, vector, results)), answersPart(results)],
    }),
  );
}

function findingOf({ same, shifts }: DiffResult): string {
  if (same) return 'It is the base itself: nothing shifted.';
  const moved = shifts.vectors.map(({ trait, layer, own }) => {
    const size = own.sd ? `${signed(own.sd.mean, 2)} sd` : signed(own.shift.mean, 2);
    return `${trait} by ${size} at layer ${layer} (p ${pValue(own.p)})`;
  });
  return `Moved along ${moved.join(', ')}.`;
}

function cardsOf({ shifts }: DiffResult): Card[] {
  const [first] = shifts.vectors;
  const whole = shifts.layers.find(({ layer }) => layer === first!.layer)!;
  const { shift, sd, p, cosine } = first!.own;
  return [
    {
      label: `Shift along ${first!.name}`,
      value: signed(shift.mean, 2),
      note: `95 %: ${signed(shift.low, 2)} to ${signed(shift.high, 2)}`,
    },
    { label: 'In deviations', value: signed(sd?.mean, 2), note: "of the base's own over the prompts" },
    { label: 'p', value: pValue(p), note: 'signs drawn at random' },
    { label: 'Cosine', value: signed(cosine, 2), note: 'of the whole shift with the vector' },
    {
      label: 'Whole shift',
      value: percent(whole.relative, 1),
      note: `of the residual norm; ${whole.spanned === null ? 'none' : percent(whole.spanned)} of its square along the vectors`,
    },
  ];
}

function vectorPart(i: number, { name, layer }: VectorShift, results: readonly DiffResult[]): Part {
  return section(
    name,
    html`Bands and bars are 95&nbsp;% intervals over the prompts. The line marks layer ${layer}.`,
    [layersFigure(i, results), ...(results.length > 1 ? [trajectoryFigure(i, results)] : [])],
  );
}

/** Each model's own greedy answers: where their means lie, and what a judge says of them. */
function answersPart(results: readonly DiffResult[]): Part {
  const shifted = results.flatMap(({ name, answers }) =>
    (answers?.vectors ?? []).map(({ name: vector, layer, own }) => [
      `${vector}, mean of the answer at layer ${layer}`,
      name,
      '–',
      '–',
      signed(own.shift.mean, 2),
      `${signed(own.shift.low, 2)} to ${signed(own.shift.high, 2)}`,
      pValue(own.p),
    ]),
  );
  const scored = results.flatMap(({ name, scores = {} }) =>
    Object.entries(scores).flatMap(([trait, { trait: own, coherence }]) =>
      [
        { what: `${trait}, score`, ...own },
        { what: `coherence, score with ${trait}`, ...coherence },
      ].map(({ what, base, tuned, change, p }) => [
        what,
        name,
        fixed(base.mean, 1),
        fixed(tuned.mean, 1),
        signed(change.mean, 1),
        `${signed(change.low, 1)} to ${signed(change.high, 1)}`,
        pValue(p),
      ]),
    ),
  );
  const rows = [...shifted, ...scored];
  if (rows.length === 0) return '';
  return section(
    'Answers',
    html`Of each model's own greedy answers to the prompts, pair by pair.`,
    wideTable('Answers', ['Figure', 'Checkpoint', 'Base', 'Tuned', 'Change', '95 %', 'p'], rows),
  );
}

interface LayerPoint {
  layer: number;
  name: string;
  /** 0 first to 1 last of the trajectory */
  place: number;
  mean: number;
  low: number;
  high: number;
}

const margins = { marginLeft: 56, marginRight: 24, marginTop: 20, marginBottom: 46 };

function layersFigure(i: number, results: readonly DiffResult[]): Html {
  const chosen = results[0]!.shifts.vectors[i]!.layer;
  const points = results.flatMap(({ name, shifts }, k) =>
    shifts.vectors[i]!.layers.map(({ layer, shift }): LayerPoint => {
      const { mean, low, high } = shift;
      return { layer, name, place: results.length > 1 ? k / (results.length - 1) : 1, mean, low, high };
    }),
  );
  return figure({
    picture: drawBoth(pageWidth, (width, phone) => layersDrawing(points, chosen, width, phone ? 260 : 320)),
    caption: html`Shift along the vector at every layer, in units of activation
    norm.${results.length > 1 ? ' The later the checkpoint, the stronger the colour.' : ''}`,
    head: [
      'Layer',
      'Checkpoint',
      'Shift',
      '95 %',
      'In sd',
      'p',
      'Cosine',
      '‖shift‖ of residual',
      'In the span',
    ],
    rows: results.flatMap(({ name, shifts }) =>
      shifts.vectors[i]!.layers.map(({ layer, shift, sd, p, cosine }) => {
        const whole = shifts.layers.find((one) => one.layer === layer)!;
        return [
          String(layer),
          name,
          signed(shift.mean, 3),
          `${signed(shift.low, 3)} to ${signed(shift.high, 3)}`,
          signed(sd?.mean, 2),
          pValue(p),
          signed(cosine, 2),
          percent(whole.relative, 1),
          whole.spanned === null ? '–' : percent(whole.spanned),
        ];
      }),
    ),
  });
}

function layersDrawing(
  points: readonly LayerPoint[],
  chosen: number,
  width: number,
  height: number,
): Drawing {
  const colour = ({ place }: LayerPoint): string =>
    `color-mix(in srgb, var(--trait) ${Math.round(30 + 70 * place)}%, var(--rule))`;
  const here = points.filter(({ layer }) => layer === chosen);
  const bands = Object.values(Object.groupBy(points, ({ name }) => name)).flatMap((own) => [
    Plot.areaY(own, { x: 'layer', y1: 'low', y2: 'high', fill: colour(own![0]!), fillOpacity: 0.12 }),
    Plot.lineY(own, { x: 'layer', y: 'mean', stroke: colour(own![0]!), strokeWidth: 1.75 }),
  ]);
  return {
    description: `Shift by layer; at layer ${chosen} ${here.map(({ name, mean }) => `${name} ${signed(mean, 2)}`).join(', ')}.`,
    width,
    height,
    ...margins,
    x: { ticks: Math.min(12, new Set(points.map(({ layer }) => layer)).size), tickFormat: 'd' },
    y: { nice: true },
    marks: [
      ...grid(),
      bottomAxis('layer', { format: 'd' }),
      Plot.ruleX([chosen], { stroke: 'var(--muted)', strokeDasharray: '3 3' }),
      ...bands,
      Plot.dot(here, { x: 'layer', y: 'mean', r: 4, fill: colour }),
    ],
    color: { type: 'identity' },
  };
}

function trajectoryFigure(i: number, results: readonly DiffResult[]): Html {
  const steps = results.every(({ step }) => step !== undefined);
  const points = results.map(({ name, step, shifts }, k) => {
    const { mean, low, high } = shifts.vectors[i]!.own.shift;
    return { x: steps ? step! : k + 1, name, mean, low, high };
  });
  return figure({
    picture: drawBoth(pageWidth, (width, phone) => ({
      description: `Shift over the checkpoints: ${points.map(({ name, mean }) => `${name} ${signed(mean, 2)}`).join(', ')}.`,
      width,
      height: phone ? 260 : 300,
      ...margins,
      x: steps ? { nice: true } : { domain: [0.5, points.length + 0.5], ticks: points.length },
      y: { nice: true },
      marks: [
        ...grid(),
        bottomAxis(steps ? 'step' : 'checkpoint', {
          places: steps ? undefined : points.map(({ x }) => x),
          format: 'd',
        }),
        Plot.ruleX(points, {
          x: 'x',
          y1: 'low',
          y2: 'high',
          stroke: 'var(--trait)',
          strokeOpacity: 0.5,
          strokeWidth: 2,
        }),
        Plot.lineY(points, { x: 'x', y: 'mean', stroke: 'var(--trait)', strokeWidth: 2 }),
        Plot.dot(points, {
          x: 'x',
          y: 'mean',
          r: 4.5,
          fill: 'var(--paper)',
          stroke: 'var(--trait)',
          strokeWidth: 2,
        }),
      ],
    })),
    caption: html`The way of the training: the shift at the vector's layer, checkpoint by checkpoint.`,
    head: ['Checkpoint', 'Shift', '95 %'],
    rows: points.map(({ name, mean, low, high }) => [
      name,
      signed(mean, 3),
      `${signed(low, 3)} to ${signed(high, 3)}`,
    ]),
  });
}

/** Hairlines with their numbers on the left, and a line where nothing shifted. */
function grid(): Plot.Markish[] {
  return [
    Plot.gridY({ ticks: 5, stroke: 'var(--rule)', strokeOpacity: 1 }),
    Plot.axisY({ ticks: 5, tickSize: 0, tickPadding: 8, label: null, fill: 'var(--muted)' }),
    Plot.ruleY([0], { stroke: 'var(--muted)' }),
  ];
}

function pValue(p: number): string {
  return p < 0.001 ? '< 0.001' : fixed(p, 3);
}
