import { parseHTML } from 'linkedom';
import { expect, test } from 'vitest';
import { random } from '../../src/math/random.ts';
import { renderDiff } from '../../src/report/diff-page.ts';
import type { DiffResult } from '../../src/screen/diff/diff.ts';
import { shiftsOf } from '../../src/screen/diff/figures.ts';
import { A_MODEL, aVector } from '../support/a-vector.ts';

/** Twelve prompts on 16 layers, moved along the vector by `amount` of its length and a little at random. */
function result(name: string, amount: number, changes: Partial<DiffResult> = {}): DiffResult {
  const [layers, width] = [16, 8];
  const vector = aVector({ model: { ...A_MODEL, layers, width }, layer: 9 });
  delete vector.baseline;
  const next = random(3);
  const pairs = Array.from({ length: 12 }, () => {
    const base = Float32Array.from({ length: layers * width }, () => next.normal());
    const tuned = base.map(
      (x, i) => x + amount * vector.directions[i]! * (i / width) + (amount === 0 ? 0 : 0.2 * next.normal()),
    );
    return { base, tuned };
  });
  const all = Array.from({ length: layers }, (_, b) => b);
  const shifts = shiftsOf(pairs, all, width, [{ name: 'evil', source: 'evil.gguf', vector, layer: 9 }]);
  return { name, tuned: `${name}.gguf`, base: '<b>base</b>.gguf', adapter: false, same: amount === 0, shifts, steering: [], ...changes }; // prettier-ignore
}

export const TRAJECTORY: DiffResult[] = [100, 200, 400, 800].map((step, k) =>
  result(`checkpoint-${step}`, 0.3 * (k + 1), { step }),
);

test('one page for a trajectory: curves by layer, the way over the checkpoints, all numbers', () => {
  const text = renderDiff(TRAJECTORY);
  const { document } = parseHTML(text);
  expect(document.querySelector('h1')!.textContent).toBe('checkpoint-100 to checkpoint-800');
  expect(document.querySelector('.finding')!.textContent).toMatch(/^Moved along evil by \+\d+\.\d\d sd at layer 9 \(p < 0\.001\)\.$/); // prettier-ignore
  expect(document.querySelectorAll('figure')).toHaveLength(2);
  expect(document.querySelectorAll('.for-page svg').length).toBe(2);
  expect(document.querySelectorAll('table')[0]!.querySelectorAll('tbody tr')).toHaveLength(4 * 16);
  expect(document.querySelectorAll('table')[1]!.querySelectorAll('tbody tr')).toHaveLength(4);
  expect(text).toContain('&lt;b&gt;base&lt;/b&gt;');
  expect(text).not.toMatch(/<b>base|https?:|<script|\bNaN\b|undefined/);
});

test('a model against itself is said to be that, and drawn as a line at 0', () => {
  const text = renderDiff([result('same', 0)]);
  expect(text).toContain('It is the base itself: nothing shifted.');
  expect(text).not.toMatch(/\bNaN\b|undefined/);
  expect(parseHTML(text).document.querySelectorAll('figure')).toHaveLength(1);
});

test('answers and scores are a table of their own', () => {
  const interval = (mean: number) => ({ mean, low: mean - 1, high: mean + 1, n: 4 });
  const change = { base: interval(10), tuned: interval(72.5), change: interval(62.5), p: 0.125 };
  const one = result('tuned', 1);
  const text = renderDiff([{ ...one, answers: one.shifts, scores: { evil: { trait: change, coherence: change } }, judge: 'openai:x' }]); // prettier-ignore
  const rows = [...parseHTML(text).document.querySelectorAll('.wide tbody tr')];
  const cells = rows.map((row) => [...row.children].map((cell) => cell.textContent));
  expect(cells[0]![0]).toBe('evil, mean of the answer at layer 9');
  expect(cells[1]).toEqual(['evil, score', 'tuned', '10.0', '72.5', '+62.5', '+61.5 to +63.5', '0.125']);
  expect(text).toContain('judged by openai:x');
});
