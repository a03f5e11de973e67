import { expect, test } from 'vitest';
import { bootstrap, bootstrapMean } from '../../src/math/bootstrap.ts';
import { random } from '../../src/math/random.ts';
import { deviation, mean, pearson } from '../../src/math/statistics.ts';

test('the worked examples hold', () => {
  const values = [1, 2, 6];
  const statistic = (drawn: Uint32Array) => mean([...drawn].map((i) => values[i]!));
  expect(bootstrap(3, statistic, { confidence: 1 })).toEqual({ mean: 3, low: 1, high: 6, n: 3 });
  expect(bootstrapMean([5, 5, 5])).toEqual({ mean: 5, low: 5, high: 5, n: 3 });
});

test('on many values the interval of a mean is that of theory', () => {
  const source = random(11);
  const values = Float64Array.from({ length: 400 }, () => 10 + 3 * source.normal());
  const half = (1.96 * deviation(values)) / Math.sqrt(400);
  const { mean: center, low, high } = bootstrapMean(values);
  expect(center).toBe(mean(values));
  expect(Math.abs(center - low - half)).toBeLessThan(0.1 * half);
  expect(Math.abs(high - center - half)).toBeLessThan(0.1 * half);
});

test('about nineteen in twenty intervals hold the truth', () => {
  const source = random(12);
  let held = 0;
  for (let trial = 0; trial < 200; trial++) {
    const values = Float64Array.from({ length: 40 }, () => source.normal());
    const { low, high } = bootstrapMean(values, { resamples: 300, seed: trial });
    if (low <= 0 && high >= 0) held++;
  }
  expect(held).toBeGreaterThanOrEqual(178);
  expect(held).toBeLessThanOrEqual(199);
});

test('pairs stay pairs, and resamples without a figure are left out', () => {
  const x = [1, 2, 3];
  const y = [2, 4, 6];
  const at = (values: number[], drawn: Uint32Array) => [...drawn].map((i) => values[i]!);
  const figure = bootstrap(3, (drawn) => pearson(at(x, drawn), at(y, drawn))); // NaN where all three are the same
  expect(figure.low).toBeCloseTo(1, 12);
  expect(figure.high).toBeCloseTo(1, 12);
});

test('a seed gives the same interval again, and another seed another', () => {
  const values = [1, 4, 2, 8, 5, 7];
  expect(bootstrapMean(values, { seed: 1, resamples: 50 })).toEqual(
    bootstrapMean(values, { seed: 1, resamples: 50 }),
  );
  expect(bootstrapMean(values, { seed: 1, resamples: 50 })).not.toEqual(
    bootstrapMean(values, { seed: 2, resamples: 50 }),
  );
});

test('of nothing nothing is known', () => {
  expect(bootstrapMean([])).toEqual({ mean: NaN, low: NaN, high: NaN, n: 0 });
});
