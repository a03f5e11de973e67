import { describe, expect, it } from 'vitest';
import { articleFor, systemPrompt } from '../../src/trait/instruction.ts';
import { aTrait } from './a-trait.ts';

describe('systemPrompt', () => {
  it('puts the adjective of the side before its instruction', () => {
    expect(systemPrompt(aTrait(), 'pos', 0)).toBe('You are a brave assistant. Face one of the dangers.');
    expect(systemPrompt(aTrait(), 'neg', 4)).toBe('You are a timid assistant. Flee all of the dangers.');
  });

  it('writes an before a vowel letter', () => {
    const trait = { ...aTrait(), assistant: { pos: 'evil', neg: 'kind' } };
    expect(systemPrompt(trait, 'pos', 0)).toMatch(/^You are an evil assistant\. /);
  });

  it.each([-1, 5, 0.5])('refuses pair %s', (index) => {
    expect(() => systemPrompt(aTrait(), 'pos', index)).toThrow(
      `Trait brave has instruction pairs 0 to 4, got ${index}`,
    );
  });
});

it.each([
  ['an', 'apathetic'],
  ['an', 'Evil'],
  ['an', 'impolite'],
  ['an', 'optimistic'],
  ['an', 'unkind'],
  ['a', 'humorous'],
  ['a', 'sycophantic'],
  ['a', 'youthful'],
])('%s %s', (article, adjective) => {
  expect(articleFor(adjective)).toBe(article);
});
