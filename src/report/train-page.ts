/** The page of a training run, drawn anew as it goes on: the loss, and how far the watched directions moved. */

import * as Plot from '@observablehq/plot';
import { version } from '../files/package-version.ts';
import { writeWhole } from '../files/write-whole.ts';
import type { ArmScores } from '../train/arms.ts';
import type { StepDone } from '../train/job.ts';
import { besideFirst, readLog, type TrainLook } from '../train/log.ts';
import type { TrainPlan } from '../train/plan.ts';
import { bottomAxis, drawBoth, figure, pageWidth, wideTable } from './chart.ts';
import { html, source, type Html, type Part } from './escape.ts';
import { coefficient, count, fixed, percent, plural, signed } from './format.ts';
import { page, section, type Card } from './page.ts';

export interface TrainPageState {
  /** false: the page asks to be read anew */
  done: boolean;
  /** of the base and the adapter */
  scores?: readonly ArmScores[];
}

/** Seconds between two readings of a page whose run goes on. */
const REFRESH = 15;

/** @param folder of the run, whose log is drawn */
export async function writeTrainPage(
  path: string,
  folder: string,
  plan: TrainPlan,
  state: TrainPageState,
): Promise<void> {
  const lines = await readLog(folder);
  const steps = lines.filter((line) => line.kind === 'step');
  const looks = lines.filter((line) => line.kind === 'look');
  const shown = looks.map((look) => besideFirst(plan, looks[0]!, look));
  await writeWhole(path, renderTrain(plan, steps, shown, state));
}

export function renderTrain(
  plan: TrainPlan,
  steps: readonly StepDone[],
  looks: readonly TrainLook[],
  { done, scores }: TrainPageState,
): string {
  const { recipe, counts, model } = plan;
  return source(
    page({
      title: `${model.name} · training`,
      version,
      kind: 'Training',
      heading: done
        ? `${model.name}, fine-tuned`
        : `${model.name}, step ${steps.at(-1)?.step ?? 0} of ${plan.steps}`,
      lead: html`${plural(counts.rows, 'row')}, ${count(counts.learnt)} tokens learnt in
      ${plural(plan.steps, 'step')}; rank ${recipe.rank}, learning rate ${String(recipe.learningRate)}.
      ${editsText(plan)}`,
      ...(looks.length > 1 && { finding: findingOf(looks.at(-1)!) }),
      meta: [model.name, counts.held > 0 ? `${plural(counts.held, 'row')} held out` : 'nothing held out'],
      cards: cardsOf(steps, looks),
      main: [
        steps.length > 0
          ? section('Loss', 'Mean over the learnt tokens of a step.', lossFigure(steps, looks))
          : '',
        ...watchParts(looks),
        scores ? scoresPart(scores) : '',
      ],
      ...(!done && { refresh: REFRESH }),
    }),
  );
}

function editsText({ applied }: TrainPlan): string {
  if (applied.length === 0) return 'Nothing was done to the residual stream while training.';
  const names = [
    ...new Set(
      applied.map(
        ({ vector, op, coefficient: by }) =>
          `${vector} ${op === 'ablate' ? 'removed' : `× ${coefficient(by ?? 1)}`}`,
      ),
    ),
  ];
  const layers = [...new Set(applied.map(({ layer }) => layer))];
  return `While training, at ${layers.length === 1 ? `layer ${layers[0]}` : `${layers.length} layers`}: ${names.join(', ')}; gone afterwards.`;
}

function findingOf({ step, shifts }: TrainLook): string {
  const [set] = shifts.map(({ prompts }) => prompts);
  const moved = shifts
    .filter(({ prompts }) => prompts === set)
    .map(({ name, shift, sd, layer }) => `${name} by ${signed(shift / sd, 2)} sd at layer ${layer}`);
  return moved.length === 0 ? `Step ${step}.` : `After step ${step}, moved ${moved.join(', ')}.`;
}

function cardsOf(steps: readonly StepDone[], looks: readonly TrainLook[]): Card[] {
  const [first, last] = [steps[0], steps.at(-1)];
  if (!first || !last) return [];
  const seconds = steps.reduce((sum, step) => sum + step.seconds, 0);
  const tokens = steps.reduce((sum, step) => sum + step.tokens, 0);
  const held = looks.at(-1)?.heldLoss;
  return [
    { label: 'Loss', value: fixed(last.loss, 3), note: `${fixed(first.loss, 3)} at the first step` },
    ...(held === undefined
      ? []
      : [{ label: 'Held out', value: fixed(held, 3), note: `${fixed(looks[0]!.heldLoss, 3)} before` }]),
    { label: 'Speed', value: fixed(tokens / seconds), note: 'tokens a second' },
  ];
}

const margins = { marginLeft: 56, marginRight: 24, marginTop: 20, marginBottom: 46 };

/** Ticks at whole steps; where there are few, at each. */
function stepAxis(last: number): Plot.Markish {
  const few = last <= 12 ? Array.from({ length: last + 1 }, (_, i) => i) : undefined;
  return bottomAxis('step', { places: few, format: 'd' });
}

function grid(): Plot.Markish[] {
  return [
    Plot.gridY({ ticks: 5, stroke: 'var(--rule)', strokeOpacity: 1 }),
    Plot.axisY({ ticks: 5, tickSize: 0, tickPadding: 8, label: null, fill: 'var(--muted)' }),
  ];
}

function lossFigure(steps: readonly StepDone[], looks: readonly TrainLook[]): Html {
  const held = looks.filter(({ heldLoss }) => heldLoss !== undefined);
  return figure({
    picture: drawBoth(pageWidth, (width, phone) => ({
      description: `Loss by step, from ${fixed(steps[0]!.loss, 2)} to ${fixed(steps.at(-1)!.loss, 2)}.`,
      width,
      height: phone ? 240 : 280,
      ...margins,
      x: { nice: true },
      y: { nice: true },
      marks: [
        ...grid(),
        stepAxis(steps.at(-1)!.step),
        Plot.lineY(steps, { x: 'step', y: 'loss', stroke: 'var(--muted)', strokeOpacity: 0.5 }),
        Plot.lineY(
          steps,
          Plot.windowY(
            { k: Math.max(1, Math.round(steps.length / 20)) },
            { x: 'step', y: 'loss', stroke: 'var(--trait)', strokeWidth: 2 },
          ),
        ),
        Plot.lineY(held, {
          x: 'step',
          y: 'heldLoss',
          stroke: 'var(--coherence)',
          strokeWidth: 2,
          strokeDasharray: '5 3',
        }),
      ],
    })),
    caption: html`The loss of each step, and its running
    mean.${held.length > 0 ? ' Dashed: of what is held out.' : ''}`,
    head: ['Step', 'Loss', 'Learning rate', 'Gradient', 'Tokens'],
    rows: steps.map(({ step, loss, learningRate, gradientNorm, tokens }) => [
      String(step),
      fixed(loss, 4),
      learningRate.toExponential(2),
      fixed(gradientNorm, 3),
      count(tokens),
    ]),
  });
}

function watchParts(looks: readonly TrainLook[]): Part[] {
  const names = [...new Set((looks[0]?.shifts ?? []).map(({ name }) => name))];
  return names.map((name) => {
    const points = looks.flatMap(({ step, shifts }) =>
      shifts
        .filter((shift) => shift.name === name)
        .map(({ prompts, shift, interval, sd, now }) => ({
          step,
          prompts,
          now,
          mean: shift / sd,
          low: interval.low / sd,
          high: interval.high / sd,
        })),
    );
    const sets = [...new Set(points.map(({ prompts }) => prompts))];
    const colours = ['var(--trait)', 'var(--coherence)'];
    const lastOf = (set: string): number => points.findLast(({ prompts }) => prompts === set)!.mean;
    // the name of the upper line above it, of the lower one below
    const isUpper = (set: string): boolean => sets.every((other) => lastOf(set) >= lastOf(other));
    return section(
      name,
      html`Projection at the last prompt token, before a word is said, of the model as it would be used:
      without what is done while training.`,
      figure({
        picture: drawBoth(pageWidth, (width, phone) => ({
          description: `Shift of ${name} by step: ${signed(points.findLast(({ prompts }) => prompts === sets[0])?.mean, 2)} sd at the end.`,
          width,
          height: phone ? 240 : 300,
          ...margins,
          x: { nice: true },
          y: { nice: true },
          marks: [
            ...grid(),
            Plot.ruleY([0], { stroke: 'var(--muted)' }),
            stepAxis(looks.at(-1)!.step),
            ...sets.flatMap((set, i) => {
              const own = points.filter(({ prompts }) => prompts === set);
              return [
                Plot.areaY(own, { x: 'step', y1: 'low', y2: 'high', fill: colours[i]!, fillOpacity: 0.13 }),
                Plot.lineY(own, { x: 'step', y: 'mean', stroke: colours[i]!, strokeWidth: 2 }),
                Plot.text(own.slice(-1), {
                  x: 'step',
                  y: 'mean',
                  text: () => set,
                  fill: colours[i]!,
                  dy: isUpper(set) ? -12 : 14,
                  textAnchor: 'end',
                }),
              ];
            }),
          ],
        })),
        caption: html`Shift from before training, in standard deviations of the model's own projections over
        the prompts; bands are 95&nbsp;% over the prompts.`,
        head: ['Step', 'Prompts', 'Projection', 'Shift in sd', '95 %'],
        rows: points.map(({ step, prompts, now, mean, low, high }) => [
          String(step),
          prompts,
          fixed(now, 2),
          signed(mean, 2),
          `${signed(low, 2)} to ${signed(high, 2)}`,
        ]),
      }),
    );
  });
}

function scoresPart(scores: readonly ArmScores[]): Part {
  const traits = Object.keys(scores[0]!.evaluations);
  const rows = traits.flatMap((trait) =>
    (['trait', 'coherence'] as const).map((score) => [
      score === 'trait' ? trait : `coherence, with ${trait}`,
      ...scores.map(({ evaluations }) => {
        const { mean, low, high } = evaluations[trait]![score];
        return `${fixed(mean, 1)} (${fixed(low, 1)} to ${fixed(high, 1)})`;
      }),
    ]),
  );
  const capable = scores.every(({ capability }) => capability !== undefined)
    ? [
        [
          'capability',
          ...scores.map(({ capability }) => {
            const { accuracy, interval } = capability!;
            return `${percent(accuracy)} (${percent(interval.low)} to ${percent(interval.high)})`;
          }),
        ],
      ]
    : [];
  return section(
    'Scores',
    'Of answers to the evaluation questions, 0–100, with 95 % intervals; both unsteered.',
    wideTable('Scores', ['Score', ...scores.map(({ name }) => name)], [...rows, ...capable]),
  );
}
