/** The page of a monitor that was tried out: predictions against scores, the bounds of an alarm, and the conditions. */

import { version } from '../files/package-version.ts';
import { writeWhole } from '../files/write-whole.ts';
import type { Interval } from '../math/bootstrap.ts';
import type { ModelIdentity } from '../model/chat-model.ts';
import { mainFigures, type MonitorEvaluation, type WatchResult } from '../monitor/evaluate.ts';
import { wideTable } from './chart.ts';
import { html, source, type Html, type Part } from './escape.ts';
import { fixed, percent, plural, sigma } from './format.ts';
import { calibrationFigure, rocFigure, scatterFigure } from './monitor-figures.ts';
import { page, section, type Card } from './page.ts';

export interface MonitorPageData {
  model: ModelIdentity;
  evaluation: MonitorEvaluation;
}

export async function writeMonitorPage(path: string, data: MonitorPageData): Promise<void> {
  await writeWhole(path, renderMonitor(data));
}

export function renderMonitor({ model, evaluation }: MonitorPageData): string {
  const { trait, judge, watches, rows, conditions } = evaluation;
  const [first] = watches;
  return source(
    page({
      title: `${trait} · monitor on ${model.name}`,
      version,
      kind: 'Monitor',
      heading: trait,
      lead: html`Whether the projection of the last prompt token tells, before a word is said, how much of the
      trait the answer will have. ${plural(rows.length, 'answer')} under
      ${plural(conditions.length, 'condition')}.`,
      ...(first && { finding: findingOf(first) }),
      meta: [model.name, `judged by ${judge}`],
      cards: first ? cardsOf(first) : [],
      main: watches.map((watch) => watchPart(watch, evaluation)),
    }),
  );
}

function findingOf(watch: WatchResult): string {
  const figures = mainFigures(watch);
  if (!figures) return 'No answer was given a score.';
  const { pearson, within, detection } = figures;
  const overall = `Over all conditions the prediction goes with the score at r = ${fixed(pearson.mean, 2)}`;
  const inside =
    within.conditions.length > 0
      ? `among answers under the same condition at r = ${fixed(within.mean, 2)}`
      : 'under no condition do scores differ enough to predict them';
  const alarm = detection.best
    ? `; the best bound catches ${percent(detection.best.hits)} of what shows the trait, with ${percent(detection.best.falseAlarms)} false alarms`
    : '';
  return `${overall}, ${inside}${alarm}.`;
}

function cardsOf(watch: WatchResult): Card[] {
  const figures = mainFigures(watch);
  if (!figures) return [];
  const { pearson, spearman, within, detection } = figures;
  const all = within.conditions.length + within.dropped.length;
  return [
    { label: 'Overall r', value: fixed(pearson.mean, 2), note: span(pearson) },
    {
      label: 'r within conditions',
      value: fixed(within.mean, 2),
      note: `${span(within)}; ${within.conditions.length} of ${all} count`,
    },
    { label: 'Spearman', value: fixed(spearman.mean, 2), note: span(spearman) },
    {
      label: 'AUC',
      value: fixed(detection.auc.mean, 2),
      note: `${span(detection.auc)}; trait of 50 and more`,
    },
    { label: 'Layer', value: String(watch.layer), note: 'counted from 0' },
  ];
}

function span({ low, high }: Interval): string {
  return Number.isFinite(low) ? `95 %: ${fixed(low, 2)} to ${fixed(high, 2)}` : 'no interval';
}

function watchPart(watch: WatchResult, evaluation: MonitorEvaluation): Part {
  const title = (what: string): string => (evaluation.watches.length > 1 ? `${what}: ${watch.name}` : what);
  const best = mainFigures(watch)?.detection.best;
  return [
    section(
      title('Prediction and score'),
      html`Each mark is one question under one condition. Across the conditions the instruction alone makes
      the two go together; within a condition only the vector can.`,
      scatterFigure(watch, evaluation),
    ),
    section(
      title('As an alarm'),
      best
        ? html`The bound that parts these answers best is ${fixed(best.bound, 2)},
          ${sigma((best.bound - watch.neutral.mean) / watch.neutral.deviation)} from the neutral prompts. It
          was chosen on the answers that it is shown for: on others it will do a little worse.`
        : html`No bound parts the answers that show the trait from the others.`,
      [rocFigure(watch), calibrationFigure(watch)],
    ),
    section(
      title('Conditions'),
      html`What was asked under, in the order of the trait.`,
      conditionList(watch, evaluation),
    ),
  ];
}

function conditionList(watch: WatchResult, { conditions }: MonitorEvaluation): Html {
  return wideTable(
    'Conditions',
    ['Condition', 'Projection', 'From neutral', 'Percentile', 'Trait', 'Coherence'],
    conditions.map(({ label, trait, coherence }, i) => {
      const { projection, z, percentile } = watch.conditions[i]!;
      return [
        label,
        fixed(projection, 2),
        z === null ? '–' : sigma(z),
        fixed(percentile),
        fixed(trait.mean, 1),
        fixed(coherence.mean, 1),
      ];
    }),
  );
}
