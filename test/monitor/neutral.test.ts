import { expect, test } from 'vitest';
import { neutralOf, placeIn } from '../../src/monitor/neutral.ts';

test('the place among neutral prompts, in deviations and in percent', () => {
  const neutral = neutralOf([3, 1, 2]);
  expect(neutral).toEqual({ mean: 2, deviation: 1, values: [1, 2, 3] });
  expect(placeIn(neutral, 3)).toEqual({ z: 1, percentile: (100 * 2.5) / 3 });
  expect(placeIn(neutral, 2)).toEqual({ z: 0, percentile: 50 });
  expect(placeIn(neutral, -1)).toEqual({ z: -3, percentile: 0 });
  expect(placeIn(neutral, 9)).toEqual({ z: 7, percentile: 100 });
});

test('without a spread there are no deviations to count in', () => {
  expect(placeIn(neutralOf([2, 2]), 3)).toEqual({ z: null, percentile: 100 });
  expect(placeIn(neutralOf([2]), 2)).toEqual({ z: null, percentile: 50 });
});
