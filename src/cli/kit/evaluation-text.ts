/** An evaluation for people: a row a score, a column a setting. */

import type { EvaluationSummary, ScoreSummary } from '../../steer/evaluation-summary.ts';
import { table } from './table.ts';

export function evaluationText(trait: string, summaries: readonly EvaluationSummary[]): string {
  const names = [...new Set(summaries.flatMap(({ others }) => Object.keys(others)))];
  const row = (label: string, of: (summary: EvaluationSummary) => string): string[] => [
    label,
    ...summaries.map(of),
  ];
  const missing = summaries.some(({ trait: own }) => own.missing > 0)
    ? [row('without a score', (summary) => String(summary.trait.missing))]
    : [];
  return table(
    ['0–100: mean ± deviation [95 %]', ...summaries.map(({ setting }) => setting)],
    [
      row(trait, (summary) => scoreText(summary.trait)),
      row('coherence', (summary) => scoreText(summary.coherence)),
      ...names.map((name) => row(name, ({ others }) => (others[name] ? scoreText(others[name].trait) : '–'))),
      row('refusals', ({ refusals }) => shareText(refusals)),
      row('answers', ({ answers }) => String(answers)),
      ...missing,
    ],
  );
}

/** `62.1 ± 30.2 [50.3, 74.0]` */
function scoreText({ mean, deviation, low, high }: ScoreSummary): string {
  if (!Number.isFinite(mean)) return 'no score';
  const spread = deviation === null ? '' : ` ± ${deviation.toFixed(1)}`;
  return `${mean.toFixed(1)}${spread} [${low.toFixed(1)}, ${high.toFixed(1)}]`;
}

function shareText({ mean, low, high }: EvaluationSummary['refusals']): string {
  const percent = (value: number): string => (100 * value).toFixed(0);
  return `${percent(mean)} % [${percent(low)}, ${percent(high)}]`;
}
