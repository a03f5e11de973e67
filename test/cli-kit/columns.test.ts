import fc from 'fast-check';
import { expect, test } from 'vitest';
import { columns, wrap } from '../../src/cli/kit/columns.ts';
import { displayWidth } from '../../src/cli/kit/text.ts';

test('lines break at words; what is longer is cut', () => {
  expect(wrap('to be or not', 5)).toEqual(['to be', 'or', 'not']);
  expect(wrap('a\n\nb c', 3)).toEqual(['a', '', 'b c']);
  expect(wrap('incomprehensible', 6)).toEqual(['incomp', 'rehens', 'ible']);
  expect(wrap('日本語', 4)).toEqual(['日本', '語']);
  expect(wrap('  indented', 12)).toEqual(['  indented']);
  expect(wrap('', 5)).toEqual(['']);
  expect(wrap('\x1b[2Jx', 9)).toEqual(['\uFFFD[2Jx']);
});

test('no line is wider, and no word is lost', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('a', 'bc', ' ', '\n', '語', '😀', '-') }), fc.integer({ min: 2, max: 20 }), (text, width) => {
      const lines = wrap(text, width);
      for (const line of lines) expect(displayWidth(line)).toBeLessThanOrEqual(width);
      expect(lines.join('').replace(/\s/g, '')).toBe(text.replace(/\s/g, ''));
    }),
  ); // prettier-ignore
});

test('side by side where there is room, else one below the other', () => {
  const parts = [
    { title: 'a', text: 'one two' },
    { title: 'b', text: 'three\nfour' },
  ];
  const rule = '─'.repeat(28);
  expect(columns(parts, 60).split('\n')).toEqual([
    `a${' '.repeat(30)}b`,
    `${rule}   ${rule}`,
    `one two${' '.repeat(24)}three`,
    `${' '.repeat(31)}four`,
  ]);
  expect(columns(parts, 40).split('\n')).toEqual([
    'a',
    '─'.repeat(40),
    'one two',
    '',
    'b',
    '─'.repeat(40),
    'three',
    'four',
  ]);
});
