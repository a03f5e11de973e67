import { describe, expect, test } from 'vitest';
import { cellKey, planSweep } from '../../src/vector/sweep.ts';

const QUESTIONS = [
  { question: 'a', questionIndex: 0 },
  { question: 'b', questionIndex: 1 },
];

describe('the plan of a sweep', () => {
  test('is every question at every setting, unsteered once', () => {
    const cells = planSweep([3, 5], [-1, 0, 1], QUESTIONS, 2);
    expect(cells).toHaveLength((2 * 2 + 1) * 2 * 2);
    const unsteered = cells.filter(({ coefficient }) => coefficient === 0);
    expect(unsteered).toHaveLength(4);
    expect(new Set(unsteered.map(({ layer }) => layer))).toEqual(new Set([3]));
    expect(new Set(cells.map(cellKey)).size).toBe(cells.length);
    expect(cells[0]).toEqual({ layer: 3, coefficient: -1, question: 'a', questionIndex: 0, sample: 0 });
  });

  test('has nothing unsteered where that was not asked for', () => {
    expect(planSweep([1], [2], QUESTIONS, 1).map(cellKey)).toEqual(['1/2/0/0', '1/2/1/0']);
  });
});

test('an unsteered answer is the same one at every layer, a steered one is not', () => {
  const at = { questionIndex: 4, sample: 1 };
  expect(cellKey({ ...at, layer: 3, coefficient: 0 })).toBe(cellKey({ ...at, layer: 9, coefficient: -0 }));
  expect(cellKey({ ...at, layer: 3, coefficient: 1 })).not.toBe(cellKey({ ...at, layer: 9, coefficient: 1 }));
  expect(cellKey({ ...at, layer: 3, coefficient: 0.5 })).not.toBe(
    cellKey({ ...at, layer: 3, coefficient: -0.5 }),
  );
  // what is read back from a line of JSON has the same key
  const cell = { ...at, layer: 3, coefficient: 0.1 + 0.2 };
  expect(cellKey(JSON.parse(JSON.stringify(cell)) as typeof cell)).toBe(cellKey(cell));
});
