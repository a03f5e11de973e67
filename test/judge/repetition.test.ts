/** Loops are told from prose. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { freshness, repetition } from '../../src/judge/repetition.ts';

test('worked by hand', () => {
  expect(repetition('a b c d a b c d')).toBeCloseTo(0.2, 10); // abcd bcda cdab dabc abcd
  expect(repetition('one two three four')).toBe(0);
  expect(repetition('')).toBe(0);
  expect(repetition('A b, c d! a B c d')).toBeCloseTo(0.2, 10); // neither case nor marks count
  expect(freshness('a b c d a b c d')).toBeCloseTo(1, 10);
});

test('prose is fresh, a loop is not', () => {
  const prose =
    'A new job can be exciting. You will meet people, learn how things are done, and find your place.';
  expect(freshness(prose)).toBe(1);
  expect(freshness("He's going to be a painter. ".repeat(8))).toBeLessThan(0.25);
});

test('always a share, and repeating a text never makes it fresher', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('a', 'b', 'c', ' ', '。', '文') }), (text) => {
      const share = freshness(text);
      expect(share).toBeGreaterThanOrEqual(0);
      expect(share).toBeLessThanOrEqual(1);
      expect(freshness(`${text} ${text} ${text}`)).toBeLessThanOrEqual(share + 1e-12);
    }),
  );
});
