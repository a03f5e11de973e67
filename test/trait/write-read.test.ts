import { describe, expect, test } from 'vitest';
import { listIn, pairIn, textIn } from '../../src/trait/write-read.ts';

describe('pairIn', () => {
  test.each([
    ['JSON', '{"pos": "Be bold.", "neg": "Be shy."}'],
    [
      'JSON with words around it',
      'Sure! Here it is:\n```json\n{"neg": "Be shy.", "pos": " Be bold. "}\n```\nOk {?}',
    ],
    ['labelled lines', 'pos: Be bold.\nneg: "Be shy."'],
    ['labelled lines in another dress', '1. **Positive:** Be bold.\n2. **Negative:** Be shy.'],
    ['JSON that was cut off behind both', '{"pos": "Be bold.",\n"neg": "Be shy."'],
  ])('%s', (_what, answer) => {
    expect(pairIn(answer)).toEqual({ pos: 'Be bold.', neg: 'Be shy.' });
  });

  test.each([
    '',
    'Be bold.',
    '{"pos": "Be bold."}',
    '{"pos": "Be bold.", "neg": ""}',
    '{"pos": 1, "neg": 2}',
  ])('not in %j', (answer) => {
    expect(pairIn(answer)).toBeUndefined();
  });
});

describe('listIn', () => {
  test.each([
    ['JSON', '{"questions": ["Who?", "What {now}?"]}'],
    ['a bare list, with other things in it', '["Who?", 3, "What {now}?", null]'],
    [
      'numbered lines, without what stands around them',
      'Here you are:\n1. Who?\n\n2) "What {now}?",\nGood luck!',
    ],
    ['bullets', '- Who?\n* What {now}?'],
    ['bare lines', 'Who?\nWhat {now}?\n---'],
  ])('%s', (_what, answer) => {
    expect(listIn(answer)).toEqual(['Who?', 'What {now}?']);
  });

  test.each(['', '12', '{"questions": []}'])('nothing in %j', (answer) => {
    expect(listIn(answer)).toEqual([]);
  });
});

describe('textIn', () => {
  test.each([
    ['{"rubric": "A high score needs wit."}'],
    ['A high score\n  needs wit.'],
    ['"A high score needs wit."'],
  ])('%j', (answer) => {
    expect(textIn(answer)).toBe('A high score needs wit.');
  });
});
