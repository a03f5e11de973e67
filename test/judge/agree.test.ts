import { expect, test } from 'vitest';
import { agreement } from '../../src/judge/agree.ts';
import { random } from '../../src/math/random.ts';

test('by hand: four answers, one of them without a score', () => {
  // of the three: (10, 10), (40, 90), (30, 60)
  const found = agreement([10, 40, 30, null], [10, 90, 60, 50], { resamples: 200 });
  expect(found).toMatchObject({ answers: 3, unscored: 1, pairs: 'all' });
  expect(found.pearson.mean).toBeCloseTo(11_100 / Math.sqrt(4200 * 29_400), 12); // ninths of the sums of squares
  expect(found.spearman.mean).toBeCloseTo(1, 12);
  expect(found.auc.mean).toBe(1); // 40 and 30 against 10
  expect(found.pairwise).toMatchObject({ mean: 1, n: 3 });
});

test('clear pairs only, where there are enough of them', () => {
  // clear: 90, 85 against 5, 10; A wins three of the four pairs, though it errs on 50
  const found = agreement([80, 20, 10, 30, 0], [90, 85, 5, 10, 50], { resamples: 50 });
  expect(found.pairs).toBe('clear');
  expect(found.pairwise.mean).toBe(0.75);
  // at least 50: 80, 20, 0 against 10, 30: 2 + 1 + 0 of 6
  expect(found.auc.mean).toBeCloseTo(3 / 6, 12);
});

test('the interval is around the figure, and narrower with more answers', () => {
  const next = random(3);
  const noisy = (n: number) => {
    const b = Array.from({ length: n }, () => 100 * next.uniform());
    return agreement(
      b.map((score) => score + 30 * next.normal()),
      b,
      { resamples: 300 },
    );
  };
  const [few, many] = [noisy(20), noisy(400)];
  for (const figure of ['pearson', 'spearman', 'auc', 'pairwise'] as const) {
    for (const { low, mean, high } of [few[figure], many[figure]]) {
      expect(low).toBeLessThanOrEqual(mean);
      expect(high).toBeGreaterThanOrEqual(mean);
    }
    expect(many[figure].high - many[figure].low).toBeLessThan(few[figure].high - few[figure].low);
  }
});

test('a judge that says the same of all agrees with nobody', () => {
  const found = agreement([50, 50, 50], [10, 60, 90], { resamples: 20 });
  expect(found.pearson.mean).toBeNaN();
  expect(found.pairwise.mean).toBe(0.5);
  expect(agreement([null], [5]).pearson.n).toBe(0);
});
