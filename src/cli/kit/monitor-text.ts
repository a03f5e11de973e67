/** What came of trying a monitor out, for people: the conditions, and how well the projection predicts. */

import type { Interval } from '../../math/bootstrap.ts';
import {
  mainFigures,
  type MonitorEvaluation,
  type PredictorFigures,
  type Scope,
  type WatchResult,
} from '../../monitor/evaluate.ts';
import type { Predictor } from '../../monitor/points.ts';
import { table } from './table.ts';

const SCOPES: Record<Scope, string> = {
  system: 'system prompts',
  shots: 'earlier exchanges',
  all: 'both',
};
const PREDICTORS: Record<Predictor, string> = {
  prompt: 'before the answer',
  answer: 'mean of the answer',
  thinking: 'mean of the thoughts',
  reply: 'mean of the reply',
};

export function monitorText(evaluation: MonitorEvaluation): string {
  return evaluation.watches.map((watch) => watchText(watch, evaluation)).join('\n\n');
}

function watchText(watch: WatchResult, evaluation: MonitorEvaluation): string {
  const { neutral, figures } = watch;
  return [
    `${watch.name}: ${watch.source} at layer ${watch.layer}, projection of the last prompt token`,
    `under no instruction ${figure(neutral.mean)} ± ${figure(neutral.deviation)} (${neutral.values.length} prompts)`,
    '',
    conditionTable(watch, evaluation),
    '',
    figureTable(figures),
    ...alarm(watch),
  ].join('\n');
}

function conditionTable(watch: WatchResult, { conditions }: MonitorEvaluation): string {
  const rows = conditions.map(({ label, trait, coherence }, i) => {
    const { projection, z, percentile } = watch.conditions[i]!;
    const sd = z === null ? '–' : `${z < 0 ? '' : '+'}${figure(z)}`;
    return [label, figure(projection), sd, percentile.toFixed(0), score(trait), coherence.mean.toFixed(0)];
  });
  return table(['condition', 'projection', 'sd', 'percentile', 'trait 0–100', 'coherence'], rows);
}

function figureTable(figures: readonly PredictorFigures[]): string {
  const rows = figures.map(({ scope, predictor, pearson, spearman, within, detection }) => {
    const all = within.conditions.length + within.dropped.length;
    return [
      `${SCOPES[scope]}, ${PREDICTORS[predictor]}`,
      share(pearson),
      within.conditions.length === 0 ? '–' : `${share(within)} (${within.conditions.length} of ${all})`,
      share(spearman),
      share(detection.auc),
      pearson.n,
    ];
  });
  return table(['read', 'r', 'r within conditions', 'Spearman', 'AUC of trait ≥ 50', 'points'], rows);
}

/** The bound to alarm at, in the words of a user of `serve` or of a cap. */
function alarm(watch: WatchResult): string[] {
  const best = mainFigures(watch)?.detection.best;
  if (!best) return [];
  const { neutral } = watch;
  const z = (best.bound - neutral.mean) / neutral.deviation;
  const place = Number.isFinite(z) ? ` (${z < 0 ? '' : '+'}${z.toFixed(1)} sd)` : '';
  return [
    `an alarm from ${figure(best.bound)}${place} on would have caught ${percent(best.hits)} of those with a trait of 50 and more, and ${percent(best.falseAlarms)} of the others`,
  ];
}

/** `0.75 [0.61, 0.84]` */
function share({ mean, low, high }: Interval): string {
  if (!Number.isFinite(mean)) return '–';
  return Number.isFinite(low)
    ? `${mean.toFixed(2)} [${low.toFixed(2)}, ${high.toFixed(2)}]`
    : mean.toFixed(2);
}

function score({ mean, low, high }: Interval): string {
  return Number.isFinite(mean) ? `${mean.toFixed(0)} [${low.toFixed(0)}, ${high.toFixed(0)}]` : 'no score';
}

function percent(value: number): string {
  return `${(100 * value).toFixed(0)} %`;
}

/** Three digits that mean something: models differ by orders of magnitude. */
function figure(value: number): string {
  if (!Number.isFinite(value)) return '–';
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toFixed(digits);
}
