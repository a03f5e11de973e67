import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  expectation,
  pythonInt,
  type ScoreMode,
  scoreInText,
  withoutThoughts,
} from '../../src/judge/expectation.ts';

function score(tokens: Record<string, number>, mode?: ScoreMode) {
  return expectation(new Map(Object.entries(tokens)), mode);
}

test.each<[Record<string, number>, number]>([
  [{ 80: 0.6, 90: 0.3, REFUSAL: 0.1 }, 75 / 0.9], // (48 + 27) / 0.9
  [{ 50: 0.25 }, 50], // just enough mass
  [{ ' 40': 0.5, 40: 0.5 }, 40], // two spellings of one number
  [{ 0: 0.5, 100: 0.5 }, 50],
  [{ '+5': 0.3, '-0': 0.3, '\n7\n': 0.3 }, 4],
  [{ REFUSAL: 0.6, 20: 0.4 }, 20], // the reference never looks at the word
])('0_100: %j → %f', (tokens, expected) => {
  expect(score(tokens).value).toBeCloseTo(expected, 12);
});

test.each<[Record<string, number>, string]>([
  [{ REFUSAL: 0.8, 0: 0.2 }, 'refusal'],
  [{ ' RE': 0.5, REF: 0.2, 7: 0.2, I: 0.1 }, 'refusal'], // as other tokenizers begin it
  [{ 101: 0.9, 7: 0.1 }, 'unparseable'], // 101 is no score, and 0.1 is too little
  [{ 50: 0.249 }, 'unparseable'],
  [{ '-1': 0.9, '1.5': 0.1 }, 'unparseable'],
  [{ '5%': 0.5, five: 0.4, '1e1': 0.1 }, 'unparseable'],
  [{ REFUSAL: 0.3, Sure: 0.5 }, 'unparseable'],
  [{}, 'unparseable'],
])('0_100: %j → null, %s', (tokens, reason) => {
  expect(score(tokens)).toEqual({ value: null, reason });
});

test.each<[ScoreMode, Record<string, number>, number | null]>([
  ['0_10', { 8: 0.5, 9: 0.5 }, 8.5],
  ['0_10', { 10: 0.9, 5: 0.3 }, 5], // digits only
  ['0_10', { REFUSAL: 0.4, 3: 0.3, 4: 0.3 }, null], // likelier than each digit
  ['0_10', { REFUSAL: 0.3, 3: 0.3, 4: 0.3 }, 3.5], // not likelier
  ['0_10', { 3: 0.2 }, null],
  ['yes_no', { YES: 0.6, NO: 0.2 }, 0.75],
  ['yes_no', { ' yes': 0.3, Yes: 0.3, NO: 0.2 }, 0.75],
  ['yes_no', { YES: 0.1, NO: 0.1, REFUSAL: 0.05 }, null],
  ['yes_no', { YES: 0.3, NO: 0.2, REFUSAL: 0.4 }, null],
  ['yes_no', { YES: 0.3, NO: 0.2, REFUSAL: 0.3 }, 0.6],
])('%s: %j → %s', (mode, tokens, expected) => {
  const { value } = score(tokens, mode);
  if (expected === null) expect(value).toBeNull();
  else expect(value).toBeCloseTo(expected, 12);
});

test('a score lies between the numbers it is made of, however the mass is scaled', () => {
  fc.assert(
    fc.property(
      fc.dictionary(
        fc.integer({ min: 0, max: 100 }).map(String),
        fc.double({ min: 0.01, max: 1, noNaN: true }),
        { minKeys: 1 },
      ),
      (masses) => {
        const total = Object.values(masses).reduce((sum, mass) => sum + mass, 0);
        const of = (share: number): Record<string, number> =>
          Object.fromEntries(Object.entries(masses).map(([n, mass]) => [n, (share * mass) / total]));
        const whole = score(of(1)).value!;
        const numbers = Object.keys(masses).map(Number);
        expect(whole).toBeGreaterThanOrEqual(Math.min(...numbers) - 1e-9);
        expect(whole).toBeLessThanOrEqual(Math.max(...numbers) + 1e-9);
        expect(score(of(0.3)).value).toBeCloseTo(whole, 6);
        expect(score(of(0.2)).value).toBeNull();
      },
    ),
  );
});

test.each([
  ['5', 5],
  [' 5 ', 5],
  ['+5', 5],
  ['-5', -5],
  ['007', 7],
  ['1_0', 10],
  ['', undefined],
  ['_1', undefined],
  ['1_', undefined],
  ['1.0', undefined],
  ['- 5', undefined],
  ['0x1', undefined],
])('Python reads %j as %s', (text, expected) => {
  expect(pythonInt(text)).toBe(expected);
});

test.each([
  ['85', 85],
  [' 85\n', 85],
  ['**85**', 85],
  ['85/100', 85],
  ['0', 0],
  ['100.', 100],
  ['<think>maybe 20?</think>\n\n85', 85],
  ['thoughts without a beginning</think>7', 7],
  ['101', 'unparseable'],
  ['-5', 'unparseable'],
  ['The score is 85', 'unparseable'],
  ['', 'unparseable'],
  ['<think>maybe 20, or REFUSAL', 'unparseable'],
  ['<think>a</think><think>20', 'unparseable'],
  ['REFUSAL', 'refusal'],
  ['The assistant refused: REFUSAL.', 'refusal'],
])('a judge that writes %j', (text, expected) => {
  expect(scoreInText(text)).toEqual(
    typeof expected === 'number' ? { value: expected } : { value: null, reason: expected },
  );
});

test('thoughts end with the last sign of their end', () => {
  expect(withoutThoughts('<think>a</think>b</think>\n c')).toBe('c');
  expect(withoutThoughts('no thoughts <think>')).toBe('no thoughts <think>');
});
