import { expect, it } from 'vitest';
import { wordStem } from '../../src/trait/word-stem.ts';

it.each([
  ['optim', 'optimistic optimism optimist optimists optimistically'],
  ['sycoph', 'sycophancy sycophantic sycophants'],
  ['hallucin', 'hallucination hallucinations hallucinating hallucinated hallucinates hallucinatory'],
  ['humor', 'humorous humor humour humorously humorist'],
  ['impolit', 'impolite impolitely impoliteness'],
  ['apath', 'apathetic apathy apathetically'],
  ['evil', 'evil evils Evil evilness'],
])('%s is what %s have in common', (stem, forms) => {
  expect(new Set(forms.split(' ').map(wordStem))).toEqual(new Set([stem]));
});

it('leaves short words whole', () => {
  expect(['is', 'sing', 'red', 'may'].map(wordStem)).toEqual(['is', 'sing', 'red', 'may']);
});
