import fc from 'fast-check';
import { expect, test } from 'vitest';
import { csvLine } from '../../src/files/csv.ts';
import { csvRows } from '../../src/files/csv-read.ts';

const fields = (text: string): string[][] => csvRows(text, 'x.csv').map((row) => row.fields);

test.each([
  ['', []],
  ['a', [['a']]],
  ['a,b\n', [['a', 'b']]],
  [
    'a,\n,b\r\n',
    [
      ['a', ''],
      ['', 'b'],
    ],
  ],
  ['a,', [['a', '']]],
  ['a\n\n\r\nb', [['a'], ['b']]],
  ['"a","b ""c"", d"\r\n', [['a', 'b "c", d']]],
  ['"two\nlines",x\ny', [['two\nlines', 'x'], ['y']]],
  ['5" pipe,x', [['5" pipe', 'x']]],
])('%j', (text, expected) => {
  expect(fields(text)).toEqual(expected);
});

test('a row is placed by its first line, whatever newlines its fields hold', () => {
  expect(csvRows('a\n"b\nc\nd",e\n\nf', 'x.csv').map(({ line }) => line)).toEqual([1, 2, 6]);
});

test.each([
  ['a\n"b,c\n', 2],
  ['a\nb\n"c" d,e', 3],
])('%j is refused', (text, line) => {
  expect(() => csvRows(text, 'x.csv')).toThrow(`x.csv:${line}: a quote within a field`);
});

test('what csvLine writes comes back', () => {
  const cell = fc.string({ unit: fc.constantFrom('a', '"', ',', '\n', '\r', ' ', 'é') });
  fc.assert(
    fc.property(fc.array(fc.array(cell, { minLength: 2, maxLength: 4 })), (rows) => {
      expect(fields(rows.map((row) => `${csvLine(row)}\n`).join(''))).toEqual(rows);
    }),
  );
});
