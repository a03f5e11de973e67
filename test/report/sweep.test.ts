import { expect, test } from 'vitest';
import { panelsOf } from '../../src/report/sweep.ts';
import { dose } from './fixture.ts';

const layers = [
  { layer: 4, norm: 2, residualNorm: 20, auc: 0.8 },
  { layer: 8, norm: 4, residualNorm: 80, auc: 0.9 },
];

test('a sweep of equal coefficients is one panel for each of them', () => {
  const panels = panelsOf([dose(2, 1, 1, 8), dose(1, 1, 1, 8), dose(1, 1, 1, 4), dose(2, 1, 1, 4)], layers);
  expect(panels.map(({ title }) => title)).toEqual(['Sweep at coefficient +1', 'Sweep at coefficient +2']);
  expect(panels.map(({ doses }) => doses.map(({ layer }) => layer))).toEqual([
    [4, 8],
    [4, 8],
  ]);
});

test('a sweep of equal pushes is named by its share of the residual norm', () => {
  // 1 · 2 / 20 = 2 · 4 / 80 = 10 %
  const panels = panelsOf([dose(1, 1, 1, 4), dose(2, 1, 1, 8)], layers);
  expect(panels.map(({ title, note }) => [title, note])).toEqual([
    ['Sweep at 10\u00a0% of residual norm', 'coefficients +1 to +2'],
  ]);
});

test('other sweeps are ordered by dose, and missing layers are no error', () => {
  expect(panelsOf([dose(1, 1, 1, 4), dose(9, 1, 1, 8)], layers)[0]?.title).toBe('Sweep, dose 1 of 1');
  expect(panelsOf([dose(1, 1, 1, 4), dose(2, 1, 1, 8)], [])[0]?.title).toBe('Sweep, dose 1 of 1');
  expect(panelsOf([], layers)).toEqual([]);
});
