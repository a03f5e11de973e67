import { expect, test } from 'vitest';
import {
  coefficient,
  count,
  date,
  fixed,
  percent,
  shellWord,
  shortHash,
  sigma,
  signed,
} from '../../src/report/format.ts';

test('numbers have a true minus, no negative zero, and a dash for none', () => {
  expect(fixed(-2.46802, 2)).toBe('−2.47');
  expect(fixed(-0.04, 1)).toBe('0.0');
  expect([null, undefined, Number.NaN, Infinity].map((value) => fixed(value))).toEqual(['–', '–', '–', '–']);
  expect(signed(1.26, 1)).toBe('+1.3');
  expect(signed(0.01, 1)).toBe('0.0');
  expect(signed(-2)).toBe('−2');
  expect(sigma(-1.27)).toBe('−1.3\u00a0σ');
  expect(sigma(Number.NaN)).toBe('–');
  expect(percent(0.917)).toBe('92\u00a0%');
  expect(count(1_234_567)).toBe('1\u202f234\u202f567');
});

test('coefficients keep three significant digits', () => {
  expect([-2, 0, 1, 0.5, 1.25, 0.12345, 12.3456].map(coefficient)).toEqual([
    '−2',
    '0',
    '+1',
    '+0.5',
    '+1.25',
    '+0.123',
    '+12.3',
  ]);
  expect(coefficient(0.00000012)).toBe('+0.00000012');
});

test('dates are plain and hashes short', () => {
  expect(date('2026-11-24T06:00:00.000Z')).toBe('24 November 2026, 06:00 UTC');
  expect(date('yesterday')).toBe('yesterday');
  expect(shortHash('0123456789abcdef'.repeat(4))).toBe('0123456789ab…');
  expect(shortHash(`sha256:${'0123456789abcdef'.repeat(4)}`)).toBe('sha256:0123456789ab…');
  expect(shortHash('decade')).toBeUndefined();
});

test('shell words are quoted where a shell would read into them', () => {
  expect(shellWord('vector.gguf=-1.5@16')).toBe('vector.gguf=-1.5@16');
  expect(shellWord("it's $HOME")).toBe(`'it'\\''s $HOME'`);
  expect(shellWord('')).toBe("''");
});
