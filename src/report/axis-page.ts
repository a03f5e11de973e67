/** The page of an assistant axis: where the roles lie along it, and how they spread beside it. */

import * as Plot from '@observablehq/plot';
import { version } from '../files/package-version.ts';
import { writeWhole } from '../files/write-whole.ts';
import type { AxisQuality, PlacedRole } from '../vector/axis-figures.ts';
import type { PersonaVector } from '../vector/vector.ts';
import { drawBoth, figure, pageWidth, valueAxis, type Drawing } from './chart.ts';
import { html, source, type Html } from './escape.ts';
import { fixed, percent, plural, sigma } from './format.ts';
import { page, section } from './page.ts';

export interface AxisPageData {
  vector: PersonaVector;
  axis: AxisQuality;
  layer: number;
  /** names of the roles that had too few answers in role */
  leftOut: readonly string[];
  /** the whole line that caps the model at a floor */
  command: string;
}

export async function writeAxisPage(path: string, data: AxisPageData): Promise<void> {
  await writeWhole(path, renderAxis(data));
}

export function renderAxis({ vector, axis, layer, leftOut, command }: AxisPageData): string {
  const { model } = vector;
  const first = axis.firstComponent[layer];
  const shares = axis.explained[layer] ?? [];
  return source(
    page({
      title: `assistant axis of ${model.name}`,
      version,
      kind: 'Assistant axis',
      heading: vector.trait,
      lead: html`The direction from the mean of ${plural(axis.roles.length, 'role')} to the model as it
      usually is, at layer ${layer}.`,
      finding: findingOf(axis.roles),
      meta: [model.name, `layer ${layer} of ${model.layers}`],
      cards: [
        {
          label: 'First component and axis',
          value: fixed(first, 2),
          note: 'cosine: 1 where roles differ mostly in how far from the assistant they are',
        },
        {
          label: 'Variance in it',
          value: shares[0] === undefined ? '–' : percent(shares[0]),
          note: 'of all that roles differ by',
        },
        { label: 'Components for 70 %', value: String(axis.componentsFor70[layer]), note: 'of the variance' },
        {
          label: 'Roles',
          value: String(axis.roles.length),
          note:
            leftOut.length > 0
              ? `left out, as too few answers were in role: ${leftOut.join(', ')}`
              : 'all counted',
        },
      ],
      main: [
        section(
          'Along the axis',
          html`How far each role lies from the model's usual answers, in their standard deviations. Right is
          more like the assistant.`,
          alongFigure(axis.roles),
        ),
        section(
          'Beside it',
          html`The roles along the two directions in which they differ most. The square is the model as it
          usually is.`,
          besideFigure(axis),
        ),
        section(
          'How many directions',
          html`The share of the variance between roles that each component holds.`,
          varianceFigure(shares),
        ),
        section(
          'Keep it there',
          html`A floor under the projection: a quarter of the calibration's tokens lie below it.`,
          html`<pre class="command">${command}</pre>`,
        ),
      ],
    }),
  );
}

function findingOf(roles: readonly PlacedRole[]): string {
  const names = (list: readonly PlacedRole[]): string => list.map(({ name }) => name).join(', ');
  return `Nearest to the assistant: ${names(roles.slice(0, 3))}. Farthest: ${names(roles.slice(-3).toReversed())}.`;
}

/** Pixels a role: the height of its name. */
const rowHeight = 19;
const sd = ({ sd: value, projection }: PlacedRole): number => value ?? projection;

function alongFigure(roles: readonly PlacedRole[]): Html {
  return figure({
    picture: drawBoth(pageWidth, (width) => alongDrawing(roles, width)),
    caption: html`0 is the mean of the usual answers.`,
    head: ['Role', 'From usual', 'Projection'],
    rows: roles.map((role) => [
      role.name,
      role.sd === null ? '–' : sigma(role.sd),
      fixed(role.projection, 2),
    ]),
  });
}

function alongDrawing(roles: readonly PlacedRole[], width: number): Drawing {
  return {
    description: `Roles from the most to the least assistant-like: ${roles.map((role) => `${role.name} ${fixed(sd(role), 1)}`).join('; ')}.`,
    width,
    height: roles.length * rowHeight + 56,
    marginLeft: 132,
    marginRight: 16,
    marginTop: 8,
    marginBottom: 44,
    x: {
      label: roles.some((role) => role.sd === null) ? 'projection' : 'standard deviations from usual',
      labelAnchor: 'center',
      labelArrow: 'none',
      tickSize: 0,
      nice: true,
    },
    y: { type: 'point', domain: roles.map(({ name }) => name), label: null, tickSize: 0, padding: 0.7 },
    marks: [
      Plot.gridX({ stroke: 'var(--rule)', strokeOpacity: 1 }),
      Plot.ruleX([0], { stroke: 'var(--muted)' }),
      Plot.ruleY(roles, { x1: 0, x2: sd, y: 'name', stroke: 'var(--minus)', strokeOpacity: 0.35 }),
      Plot.dot(roles, { x: sd, y: 'name', r: 4, fill: 'var(--minus)' }),
    ],
  };
}

interface Point {
  name: string;
  x: number;
  y: number;
  usual: boolean;
}

function besideFigure({ roles, usual }: AxisQuality): Html {
  const points: Point[] = [
    ...roles.map(({ name, components: [x = 0, y = 0] }) => ({ name, x, y, usual: false })),
    { name: 'assistant', x: usual[0] ?? 0, y: usual[1] ?? 0, usual: true },
  ];
  return figure({
    picture: drawBoth(pageWidth, (width, phone) => besideDrawing(points, width, phone ? 340 : 520)),
    caption: html`Names that would overprint another, or a point, are left out; the table has all.`,
    head: ['Role', 'First component', 'Second component'],
    rows: points.map(({ name, x, y }) => [name, fixed(x, 2), fixed(y, 2)]),
  });
}

const besideMargins = { marginLeft: 44, marginRight: 60, marginTop: 16, marginBottom: 44 };

function besideDrawing(points: readonly Point[], width: number, height: number): Drawing {
  const named = roomFor(points, width, height);
  const axisOf = (label: string, domain: [number, number]): Plot.ScaleOptions => ({
    label,
    domain,
    labelAnchor: 'center',
    labelArrow: 'none',
    tickSize: 0,
  });
  return {
    description: `Roles along their first two components: ${points.map(({ name, x, y }) => `${name} ${fixed(x, 1)}, ${fixed(y, 1)}`).join('; ')}.`,
    width,
    height,
    ...besideMargins,
    x: axisOf('first component', extent(points.map(({ x }) => x))),
    y: axisOf('second component', extent(points.map(({ y }) => y))),
    marks: [
      Plot.ruleX([0], { stroke: 'var(--rule)' }),
      Plot.ruleY([0], { stroke: 'var(--rule)' }),
      Plot.dot(points, {
        x: 'x',
        y: 'y',
        r: ({ usual }: Point) => (usual ? 6 : 3.5),
        symbol: ({ usual }: Point) => (usual ? 'square' : 'circle'),
        fill: ({ usual }: Point) => (usual ? 'var(--trait)' : 'var(--minus)'),
      }),
      Plot.text(named, {
        x: 'x',
        y: 'y',
        text: 'name',
        textAnchor: 'start',
        dx: nameGap,
        fill: ({ usual }: Point) => (usual ? 'var(--trait)' : 'var(--ink)'),
      }),
    ],
    r: { type: 'identity' },
    symbol: { type: 'identity' },
  };
}

/** From the least to the greatest, with zero, where the mean of the roles lies. */
function extent(values: readonly number[]): [number, number] {
  return [Math.min(0, ...values), Math.max(0, ...values)];
}

/** Pixels that a letter of a name takes, and a line. */
const letter = 6.2;
const line = 13;
/** Pixels from a point's middle to its edge, and to its name. */
const dotRoom = 5;
const nameGap = 8;

/** The points whose names overprint no other name and no point, the outermost first: those in the crowd are the ones to leave out. */
function roomFor(points: readonly Point[], width: number, height: number): Point[] {
  const scale = (values: readonly number[], room: number): ((value: number) => number) => {
    const [low, high] = extent(values);
    return (value) => ((value - low) / (high - low || 1)) * room;
  };
  const { marginLeft, marginRight, marginTop, marginBottom } = besideMargins;
  const toX = scale(points.map(({ x }) => x), width - marginLeft - marginRight); // prettier-ignore
  const toY = scale(points.map(({ y }) => y), height - marginTop - marginBottom); // prettier-ignore
  const places = points.map((point) => ({ point, x: toX(point.x), y: toY(point.y) }));
  type Placed = (typeof places)[number];
  const end = ({ point, x }: Placed): number => x + nameGap + point.name.length * letter;
  const covers = (own: Placed, other: Placed): boolean =>
    Math.abs(own.y - other.y) < line / 2 + dotRoom &&
    other.x + dotRoom > own.x + nameGap &&
    other.x - dotRoom < end(own);
  const overprint = (own: Placed, other: Placed): boolean =>
    Math.abs(own.y - other.y) < line && end(own) > other.x + nameGap && end(other) > own.x + nameGap;
  const outermost = places.toSorted(
    ({ point: a }, { point: b }) =>
      Number(b.usual) - Number(a.usual) || Math.hypot(b.x, b.y) - Math.hypot(a.x, a.y),
  );
  const named: Placed[] = [];
  for (const own of outermost) {
    const clear = own.point.usual || !places.some((other) => other !== own && covers(own, other));
    if (clear && !named.some((other) => overprint(own, other))) named.push(own);
  }
  return named.map(({ point }) => point);
}

function varianceFigure(shares: readonly number[]): Html {
  if (shares.length === 0) return html`<p class="empty">The roles do not differ at this layer.</p>`;
  const top = [25, 50, 100].find((percents) => 100 * Math.max(...shares) <= percents) ?? 100;
  const bars = shares.map((share, i) => ({ component: String(i + 1), share: share * 100 }));
  return figure({
    picture: drawBoth(pageWidth, (width) => ({
      description: `Share of the variance by component: ${shares.map((share) => percent(share)).join(', ')}.`,
      width,
      height: 240,
      marginLeft: 38,
      marginRight: 8,
      marginTop: 12,
      marginBottom: 42,
      x: { type: 'band', domain: bars.map(({ component }) => component), label: 'component', labelArrow: 'none', tickSize: 0, padding: 0.3 }, // prettier-ignore
      y: { domain: [0, top] },
      marks: [
        ...valueAxis([0, 1, 2, 3, 4, 5].map((part) => (part * top) / 5)),
        Plot.barY(bars, { x: 'component', y: 'share', fill: 'var(--coherence)' }),
      ],
    })),
    caption: html`In percent; components beyond the first ${shares.length} are not shown.`,
    head: ['Component', 'Share'],
    rows: shares.map((share, i) => [String(i + 1), percent(share, 1)]),
  });
}
