/** The page of a study: what the data did to a trait, and what kept it away, against what it cost. */

import { basename } from 'node:path';
import * as Plot from '@observablehq/plot';
import { version } from '../files/package-version.ts';
import { writeWhole } from '../files/write-whole.ts';
import type { ArmKind, StudyArm, StudyResult } from '../train/study.ts';
import { vectorName } from '../vector/find.ts';
import { bottomAxis, drawBoth, figure, pageWidth, valueAxis, wideTable, type Drawing } from './chart.ts';
import { html, source, type Html } from './escape.ts';
import { coefficient, fixed, percent, signed } from './format.ts';
import { page, section } from './page.ts';

export async function writeStudyPage(path: string, result: StudyResult): Promise<void> {
  await writeWhole(path, renderStudy(result));
}

export function renderStudy(result: StudyResult): string {
  const { trait, vector, layer, judges, sign, arms } = result;
  return source(
    page({
      title: `${trait} · study`,
      version,
      kind: 'Study',
      heading: trait,
      lead: html`What fine-tuning on these data does to the trait, and what keeps it away. Each model answers
      the evaluation questions without any steering of its training; ${vectorName(vector)} acts at layer
      ${layer}.`,
      finding: findingOf(result),
      meta: [
        `judged by ${judges.map(judgeLabel).join(' and ')}`,
        `the data push the trait ${sign < 0 ? 'down' : 'up'}`,
      ],
      main: [
        section(
          'Trait against coherence',
          'Towards the base is what preventing is for; down is what it costs.',
          tradeFigure(result),
        ),
        section(
          'Figures',
          html`Means with 95&nbsp;% intervals over the questions.`,
          armsTable(trait, judges, arms),
        ),
      ],
    }),
  );
}

/** Of what plain training did, the share that each way undid. */
export function undone({ trait, arms }: StudyResult, arm: StudyArm): number {
  const mean = (of: StudyArm): number => of.scores.evaluations[trait]!.trait.mean;
  const find = (kind: ArmKind): StudyArm => arms.find((other) => other.kind === kind)!;
  return (mean(arm) - mean(find('plain'))) / (mean(find('base')) - mean(find('plain')));
}

/** Points of 100 below which nothing can be said to be undone. */
const LEAST_CHANGE = 3;

function findingOf(result: StudyResult): string {
  const { trait, arms } = result;
  const mean = (of: StudyArm): number => of.scores.evaluations[trait]!.trait.mean;
  const [base, plain] = [
    arms.find(({ kind }) => kind === 'base')!,
    arms.find(({ kind }) => kind === 'plain')!,
  ];
  const best = arms
    .filter(({ kind }) => kind === 'preventative')
    .reduce<StudyArm | undefined>(
      (a, b) => (a && Math.abs(mean(a) - mean(base)) <= Math.abs(mean(b) - mean(base)) ? a : b),
      undefined,
    );
  const change = Math.abs(mean(plain) - mean(base));
  if (change < LEAST_CHANGE)
    return `Plain training hardly moved ${trait}: from ${fixed(mean(base), 1)} to ${fixed(mean(plain), 1)}. There is nothing to prevent.`;
  const whole = `Plain training moved ${trait} from ${fixed(mean(base), 1)} to ${fixed(mean(plain), 1)}`;
  return best
    ? `${whole}; with the vector added ${coefficient(best.coefficient)} times while training it is ${fixed(mean(best), 1)}, ${undoneText(undone(result, best))} of the change undone.`
    : `${whole}.`;
}

function undoneText(share: number): string {
  return share >= 1 ? 'all' : percent(Math.max(0, share));
}

/** `fn:folder/of/judge.ts` → `judge.ts`: the folder is in the configuration */
function judgeLabel(judge: string): string {
  return judge.startsWith('fn:') ? basename(judge) : judge;
}

const colours: Record<ArmKind, string> = {
  base: 'var(--muted)',
  plain: 'var(--plus)',
  preventative: 'var(--trait)',
  caft: 'var(--coherence)',
  inference: 'var(--minus)',
};

function labelOf({ name, kind, coefficient: by }: StudyArm): string {
  if (kind === 'preventative') return `preventative ${coefficient(by)}`;
  if (kind === 'inference') return `plain, steered ${coefficient(by)}`;
  return name;
}

function tradeFigure({ trait, arms }: StudyResult): Html {
  const points = arms.map((arm) => {
    const { trait: own, coherence } = arm.scores.evaluations[trait]!;
    return { label: labelOf(arm), kind: arm.kind, own, coherence, x: own.mean, y: coherence.mean };
  });
  const [xs, ys] = [domain(points.map(({ own }) => own)), domain(points.map(({ coherence }) => coherence))];
  return figure({
    picture: drawBoth(pageWidth, (width, phone): Drawing => ({
      description: `Trait and coherence: ${points.map(({ label, x, y }) => `${label} ${fixed(x, 0)} and ${fixed(y, 0)}`).join('; ')}.`,
      width,
      height: phone ? 300 : 380,
      marginLeft: 38,
      marginRight: 24,
      marginTop: 20,
      marginBottom: 46,
      x: { domain: xs },
      y: { domain: ys },
      marks: [
        ...valueAxis(Array.from({ length: (ys[1] - ys[0]) / STEP + 1 }, (_, i) => ys[0] + i * STEP)),
        bottomAxis(trait),
        Plot.ruleY(points, {
          y: 'y',
          x1: ({ own }) => own.low,
          x2: ({ own }) => own.high,
          stroke: ({ kind }) => colours[kind as ArmKind],
          strokeOpacity: 0.6,
        }),
        Plot.ruleX(points, {
          x: 'x',
          y1: ({ coherence }) => coherence.low,
          y2: ({ coherence }) => coherence.high,
          stroke: ({ kind }) => colours[kind as ArmKind],
          strokeOpacity: 0.6,
        }),
        Plot.dot(points, { x: 'x', y: 'y', r: 5, fill: ({ kind }) => colours[kind as ArmKind] }),
        ...(phone
          ? []
          : points.map((point, i) =>
              Plot.text([point], { x: 'x', y: 'y', text: 'label', dy: i % 2 ? 14 : -14, fill: 'var(--ink)' }),
            )),
      ],
      color: { type: 'identity' },
    })),
    caption: html`Each model's mean trait and coherence score, 0–100; bars are 95&nbsp;% over the questions.
    Orange is plain training, blue the same steered while it answers.`,
    head: ['Training', 'Trait', '95 %', 'Coherence', '95 %'],
    rows: points.map(({ label, own, coherence }) => [
      label,
      fixed(own.mean, 1),
      `${fixed(own.low, 1)} to ${fixed(own.high, 1)}`,
      fixed(coherence.mean, 1),
      `${fixed(coherence.low, 1)} to ${fixed(coherence.high, 1)}`,
    ]),
  });
}

const STEP = 10;

/** Whole tens around all intervals. */
function domain(intervals: readonly { low: number; high: number }[]): [number, number] {
  const low = Math.min(...intervals.map((one) => one.low));
  const high = Math.max(...intervals.map((one) => one.high));
  return [
    Math.max(0, Math.floor((low - 1) / STEP) * STEP),
    Math.min(100, Math.ceil((high + 1) / STEP) * STEP),
  ];
}

function armsTable(trait: string, judges: readonly string[], arms: readonly StudyArm[]): Html {
  const [first, ...others] = judges;
  return wideTable(
    'Figures',
    [
      'Training',
      `${trait}, by ${judgeLabel(first!)}`,
      ...others.map((judge) => `by ${judgeLabel(judge)}`),
      'Coherence',
      'Capability',
      'Shift in sd',
      'Loss',
    ],
    arms.map((arm) => {
      const { trait: own, coherence, others: further } = arm.scores.evaluations[trait]!;
      const shift = arm.training?.shifts[0];
      const range = ({ mean, low, high }: typeof own): string =>
        `${fixed(mean, 1)} (${fixed(low, 1)} to ${fixed(high, 1)})`;
      return [
        labelOf(arm),
        range(own),
        ...others.map((judge) => (further[judge] ? range(further[judge].trait) : '–')),
        range(coherence),
        arm.scores.capability ? percent(arm.scores.capability.accuracy) : '–',
        arm.kind === 'inference' ? '–' : signed(shift && shift.shift / shift.sd, 2),
        fixed(arm.training?.loss, 3),
      ];
    }),
  );
}
