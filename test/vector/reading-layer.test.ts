import { expect, test } from 'vitest';
import { readingLayer } from '../../src/vector/reading-layer.ts';
import { aVector } from '../support/a-vector.ts';

const at = (layer: number | undefined, separation?: (number | null)[]) =>
  readingLayer({ ...aVector({ ...(separation && { quality: { separation } }) }), layer: layer as number });

test('the earliest layer that tells apart as well as the best one, beside what the own layer does', () => {
  expect(at(1, [0.6, 0.7, 0.91, 0.92])).toEqual({ layer: 2, auc: 0.91, ownAuc: 0.7 });
  expect(at(undefined, [null, 0.7, 0.9, 0.95])).toEqual({ layer: 3, auc: 0.95 });
});

test('the own layer where that is as good, or nothing is known', () => {
  expect(at(3, [0.6, 0.7, 0.92, 0.91])).toEqual({ layer: 3, auc: 0.91 });
  expect(at(1)).toEqual({ layer: 1 });
  expect(at(1, [null, null, null, null])).toEqual({ layer: 1 });
  expect(at(undefined)).toBeUndefined();
});
