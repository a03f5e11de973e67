import { describe, expect, test } from 'vitest';
import type { MonitorRow } from '../../src/monitor/answer-row.ts';
import {
  calibrationBins,
  correlationsOf,
  detectionOf,
  withinCorrelation,
} from '../../src/monitor/figures.ts';
import { pointsOf, type Point } from '../../src/monitor/points.ts';

function points(condition: string, pairs: readonly [projection: number, trait: number][]): Point[] {
  return pairs.map(([projection, trait], questionIndex) => ({ condition, questionIndex, projection, trait }));
}

describe('points', () => {
  const row = (condition: string, questionIndex: number, sample: number, trait: number | null, prompt = 1): MonitorRow => ({
    condition, questionIndex, sample, question: 'q', answer: 'a', tokens: 1, finishReason: 'stop',
    trait, coherence: 100, projections: { v: { prompt, answer: sample === 2 ? null : 10 * prompt } },
  }); // prettier-ignore

  test('one per condition and question, over the samples with a score', () => {
    const rows = [row('a', 0, 0, 10), row('a', 0, 1, 30), row('a', 0, 2, null), row('a', 1, 0, null), row('b', 0, 0, 7, 5)]; // prettier-ignore
    expect(pointsOf(rows, 'v', 'prompt')).toEqual([
      { condition: 'a', questionIndex: 0, projection: 1, trait: 20 },
      { condition: 'b', questionIndex: 0, projection: 5, trait: 7 },
    ]);
  });

  test('an answer without tokens of the predictor makes none', () => {
    const rows = [row('a', 0, 0, 10), row('a', 0, 2, 90)];
    expect(pointsOf(rows, 'v', 'answer')).toEqual([{ condition: 'a', questionIndex: 0, projection: 10, trait: 10 }]); // prettier-ignore
    expect(pointsOf(rows, 'v', 'thinking')).toEqual([]);
    expect(pointsOf(rows, 'w', 'prompt')).toEqual([]);
  });
});

describe('r within conditions', () => {
  const rising = points('rising', [[1, 10], [2, 20], [3, 30]]); // prettier-ignore
  const falling = points('falling', [[11, 90], [12, 80], [13, 70], [14, 60]]); // prettier-ignore
  const mixed = points('mixed', [[1, 10], [2, 30], [3, 20], [4, 40]]); // prettier-ignore
  const even = points('even', [[1, 50], [2, 50.5], [9, 51]]); // prettier-ignore
  const few = points('few', [[1, 0], [2, 100]]); // prettier-ignore

  test('is the mean of the conditions’ own', () => {
    const { mean, conditions, n } = withinCorrelation([...rising, ...falling, ...mixed]);
    expect(conditions.map(({ condition, points: own }) => [condition, own])).toEqual([['rising', 3], ['falling', 4], ['mixed', 4]]); // prettier-ignore
    expect(conditions.map(({ r }) => r)).toEqual([1, -1, 0.8].map((r) => expect.closeTo(r, 12)));
    expect(mean).toBeCloseTo(0.8 / 3, 12);
    expect(n).toBe(11);
  });

  test('leaves out conditions whose scores deviate by less than 1, or that have two points', () => {
    // deviation of 50, 50.5, 51 is 0.5; that of 50, 51, 52 is 1
    const enough = points('enough', [[1, 50], [2, 51], [3, 52]]); // prettier-ignore
    const { mean, dropped } = withinCorrelation([...rising, ...even, ...few, ...enough]);
    expect(dropped).toEqual(['even', 'few']);
    expect(mean).toBeCloseTo(1, 12);
  });

  test('is not taken in by conditions that differ: overall r is high, within there is nothing', () => {
    const low = points('low', [[0, 10], [1, 5], [0, 5], [1, 10]]); // prettier-ignore
    const high = points('high', [[10, 90], [11, 95], [10, 95], [11, 90]]); // prettier-ignore
    const figures = correlationsOf([...low, ...high]);
    expect(figures.pearson.mean).toBeGreaterThan(0.95);
    expect(figures.pearson.low).toBeGreaterThan(0.9);
    expect(figures.within.mean).toBeCloseTo(0, 12);
    expect(figures.within.low).toBeLessThan(-0.2);
    expect(figures.within.high).toBeGreaterThan(0.2);
  });

  test('is nothing where no condition counts', () => {
    const { mean, conditions, dropped } = withinCorrelation(even);
    expect([mean, conditions, dropped]).toEqual([NaN, [], ['even']]);
  });
});

test('an alarm: AUC, bound and counts by a score of 50', () => {
  const detection = detectionOf(points('a', [[1, 0], [2, 49.9], [5, 20], [4, 50], [5, 80], [6, 100]])); // prettier-ignore
  expect([detection.positives, detection.negatives]).toEqual([3, 3]);
  expect(detection.auc.mean).toBeCloseTo(7.5 / 9, 12); // of nine pairs seven are won, 5 against 5 is tied
  expect(detection.auc.low).toBeLessThan(detection.auc.mean);
  expect(detection.best).toEqual({ bound: 4, hits: 1, falseAlarms: 1 / 3 });
});

test('an alarm has nothing to tell apart where all answers are alike', () => {
  const detection = detectionOf(points('a', [[1, 80], [2, 90]])); // prettier-ignore
  expect(detection.auc.mean).toBeNaN();
  expect(detection.roc).toEqual([]);
  expect(detection.best).toBeUndefined();
});

test('calibration: bins of about equal size, by the projection', () => {
  const bins = calibrationBins(points('a', [[5, 50], [1, 10], [2, 20], [4, 40], [3, 30]]), 2); // prettier-ignore
  expect(bins.map(({ low, projection, high, trait }) => [low, projection, high, trait.mean])).toEqual([
    [1, 1.5, 2, 15],
    [3, 4, 5, 40],
  ]);
  expect(calibrationBins([], 2)).toEqual([]);
  expect(calibrationBins(points('a', [[1, 1]]), 6)).toHaveLength(1);
});
