import { parseHTML } from 'linkedom';
import { expect, test } from 'vitest';
import type { MonitorEvaluation } from '../../src/monitor/evaluate.ts';
import { correlationsOf, detectionOf } from '../../src/monitor/figures.ts';
import { neutralOf, placeIn } from '../../src/monitor/neutral.ts';
import type { Point } from '../../src/monitor/points.ts';
import { renderMonitor } from '../../src/report/monitor-page.ts';
import { A_MODEL } from '../support/a-vector.ts';

const ALL = { mean: 50, low: 40, high: 60, n: 4 };

/** Two conditions with four questions each. */
function evaluation(points: readonly Point[]): MonitorEvaluation {
  const conditions = (['system-1', 'shots-5'] as const).map((id) => ({
    id,
    setting: id === 'shots-5' ? ('shots' as const) : ('system' as const),
    label: `<b>${id}</b>`,
    answers: 4,
    trait: ALL,
    coherence: ALL,
  }));
  const neutral = neutralOf([0, 1, 2]);
  const placed = conditions.map(({ id }) => ({ id, projection: 2, ...placeIn(neutral, 2) }));
  const figures =
    points.length === 0
      ? []
      : [
          {
            scope: 'all' as const,
            predictor: 'prompt' as const,
            ...correlationsOf(points),
            detection: detectionOf(points),
          },
        ];
  const watch = { name: 'evil', source: 'evil.gguf', layer: 2, neutral, conditions: placed, points: [...points], figures }; // prettier-ignore
  return { trait: 'evil', judge: 'likelihood', conditions, watches: [watch], notes: [], rows: [] };
}

function page(points: readonly Point[]) {
  const text = renderMonitor({ model: A_MODEL, evaluation: evaluation(points) });
  return { text, document: parseHTML(text).document };
}

const POINTS = [0, 1, 2, 3].flatMap((i): Point[] => [
  { condition: 'system-1', questionIndex: i, projection: i, trait: 10 * i },
  { condition: 'shots-5', questionIndex: i, projection: 4 + i, trait: 60 + 10 * i },
]);

test('stands alone, with a mark for each point and its numbers', () => {
  const { text, document } = page(POINTS);
  expect(text).not.toMatch(/https?:|<script|\bNaN\b|undefined|<b>s/);
  expect([...document.querySelectorAll('h2')].map((title) => title.textContent)).toEqual([
    'Prediction and score',
    'As an alarm',
    'Conditions',
  ]);
  const [scatter] = document.querySelectorAll('figure');
  expect(scatter!.querySelectorAll('tbody tr')).toHaveLength(POINTS.length);
  expect(scatter!.querySelector('svg')!.getAttribute('aria-label')).toContain('8 points');
  const marks = scatter!.querySelector('.for-page')!.querySelectorAll('g[aria-label="dot"] > *');
  expect(marks).toHaveLength(POINTS.length);
  expect(document.querySelector('.finding')!.textContent).toMatch(/r = 0\.9\d, among answers .* r = 1\.00; the best bound catches 100.%/); // prettier-ignore
});

test('an evaluation without scores says so', () => {
  const { text } = page([]);
  expect(text).toContain('No answer was given a score.');
  expect(text).not.toMatch(/\bNaN\b|undefined/);
});
