/** A study for people: every arm in a row. */

import type { ScoreSummary } from '../../steer/evaluation-summary.ts';
import type { StudyResult } from '../../train/study.ts';
import { vectorName } from '../../vector/find.ts';
import { table } from './table.ts';

export function studyText({ trait, vector, layer, judges, sign, arms }: StudyResult): string {
  const [first, ...others] = judges;
  const rows = arms.map(({ name, scores, training }) => {
    const { trait: own, coherence, others: further } = scores.evaluations[trait]!;
    const shift = training?.shifts[0];
    return [
      name,
      range(own),
      ...others.map((judge) => (further[judge] ? range(further[judge].trait) : '–')),
      range(coherence),
      scores.capability
        ? `${percent(scores.capability.accuracy)} [${percent(scores.capability.interval.low)}, ${percent(scores.capability.interval.high)}]`
        : '–',
      shift === undefined ? '–' : (shift.shift / shift.sd).toFixed(2).replace('-', '−'),
      training === undefined ? '–' : training.loss.toFixed(3),
    ];
  });
  return [
    `${trait}, by ${vectorName(vector)} at layer ${layer}; the data push it ${sign < 0 ? 'down' : 'up'}. Mean [95 %], 0–100.`,
    table(
      [
        'training',
        `${trait}, ${first}`,
        ...others.map((judge) => `${trait}, ${judge}`),
        `coherence, ${first}`,
        'capability %',
        'shift in sd',
        'loss',
      ],
      rows,
    ),
  ].join('\n');
}

function range({ mean, low, high }: ScoreSummary): string {
  return Number.isFinite(mean) ? `${mean.toFixed(1)} [${low.toFixed(1)}, ${high.toFixed(1)}]` : 'no score';
}

function percent(share: number): string {
  return (100 * share).toFixed(0);
}
