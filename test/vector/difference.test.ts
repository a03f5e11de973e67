import { describe, expect, test } from 'vitest';
import { random } from '../../src/math/random.ts';
import { addRollout, finishDifference, startDifference } from '../../src/vector/difference.ts';
import { separation, type SideMean } from '../../src/vector/separation.ts';

test('the difference of means, each rollout counting once', () => {
  const difference = startDifference('response_avg', 3);
  addRollout(difference, 'pos', Float32Array.of(1, 2, 3));
  addRollout(difference, 'pos', Float32Array.of(3, 2, 9));
  addRollout(difference, 'neg', Float32Array.of(1, -1, 0));
  addRollout(difference, 'neg', Float32Array.of(0, -1, 0));
  addRollout(difference, 'neg', Float32Array.of(2, -1, 3));
  expect(difference.counts).toEqual({ pos: 2, neg: 3 });
  expect(Array.from(finishDifference(difference))).toEqual([2 - 1, 2 - -1, 6 - 1]);
});

test('sums of many answers stay exact', () => {
  const difference = startDifference('response_avg', 1);
  for (let i = 0; i < 100_000; i++) addRollout(difference, 'pos', Float32Array.of(0.1));
  addRollout(difference, 'neg', Float32Array.of(0));
  expect(finishDifference(difference)[0]).toBe(Math.fround(0.1)); // summed in f32 it would be off by a thousandth
});

describe('separation', () => {
  const [layers, d] = [2, 16];

  /** Noise, with ±push along the first axis of the second layer. */
  function rollouts(seed: number, push: number, questions = 20): SideMean[] {
    const next = random(seed);
    return Array.from({ length: questions }, (_, questionIndex) => questionIndex).flatMap((questionIndex) =>
      (['pos', 'neg'] as const).map((side) => {
        const mean = Float32Array.from({ length: layers * d }, () => next.normal());
        mean[d]! += side === 'pos' ? push : -push;
        return { side, questionIndex, block: questionIndex, mean };
      }),
    );
  }

  test('a planted direction is found at its layer', () => {
    const found = separation(rollouts(1, 8), layers, d);
    expect(found[1]).toBe(1);
    expect(found[0]).toBeLessThan(0.8);
  });

  test('noise separates nothing: 0.5 on average over many draws, for it is tried on other questions', () => {
    const found = Array.from({ length: 60 }, (_, seed) => separation(rollouts(seed, 0), layers, d));
    const mean = found.reduce((sum, [a, b]) => sum + (a! + b!) / 2, 0) / found.length;
    // the deviation of an AUC of 10 against 10 is 0.13; of 120 halves twice, less than 0.01
    expect(Math.abs(mean - 0.5)).toBeLessThan(0.035);
  });

  test('questions of one kind only leave nothing to try it on', () => {
    const even = rollouts(1, 5).filter(({ questionIndex }) => questionIndex % 2 === 0);
    expect(Array.from(separation(even, layers, d))).toEqual([NaN, NaN]);
    expect(Array.from(separation([], layers, d))).toEqual([NaN, NaN]);
  });

  test('a side that is missing among the odd questions still leaves none', () => {
    const items = rollouts(1, 5).filter(
      ({ questionIndex, side }) => questionIndex % 2 === 0 || side === 'pos',
    );
    expect(Array.from(separation(items, layers, d))).toEqual([NaN, NaN]);
  });

  test('a direction that is turned round between the halves is worse than blind', () => {
    const turned = rollouts(1, 8).map((item): SideMean => {
      const other = item.side === 'pos' ? 'neg' : 'pos';
      return { ...item, side: item.questionIndex % 2 === 0 ? item.side : other };
    });
    expect(separation(turned, layers, d)[1]).toBe(0);
  });
});
