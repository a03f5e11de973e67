import { expect, it } from 'vitest';
import { gradedPrompts } from '../../src/trait/graded.ts';
import { aTrait } from './a-trait.ts';

it('gradedPrompts: the steps as they are, between the two system prompts of the first pair', () => {
  expect(gradedPrompts({ ...aTrait(), graded: ['a', 'b', 'c', 'd', 'e', 'f'] })).toEqual([
    'You are a timid assistant. Flee one of the dangers.',
    'a',
    'b',
    'c',
    'd',
    'e',
    'f',
    'You are a brave assistant. Face one of the dangers.',
  ]);
});

it('gradedPrompts: undefined for a trait without steps', () => {
  expect(gradedPrompts(aTrait())).toBeUndefined();
});
