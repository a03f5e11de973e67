import { expect, it } from 'vitest';
import { closestNames } from '../../src/trait/closest.ts';

const KNOWN = ['evil', 'optimistic', 'impolite'];

it.each([
  ['optimsitic', ['optimistic']], // two neighbours swapped
  ['polite', ['impolite']],
  ['Evil', ['evil']],
  ['opt', ['optimistic']], // a beginning
  ['generosity', []],
])('near %s lies %j', (typed, expected) => {
  expect(closestNames(typed, KNOWN)).toEqual(expected);
});

it('puts the nearest first and stops at the limit', () => {
  expect(closestNames('cat', ['cab', 'cat', 'car', 'cot'], 2)).toEqual(['cat', 'cab']);
});
