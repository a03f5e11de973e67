import fc from 'fast-check';
import { expect, test } from 'vitest';
import { csvLine, parseCsv } from '../../src/files/csv.ts';

test('fields are quoted where they must be', () => {
  expect(csvLine(['a', 1.5, null, undefined, true, 'b "c", d'])).toBe('a,1.5,,,true,"b ""c"", d"');
  expect(csvLine(['two\nlines', 'cr\r', ''])).toBe('"two\nlines","cr\r",');
  expect(csvLine([[1, 2], { a: 'x' }])).toBe('"[1,2]","{""a"":""x""}"');
});

test('what is written reads as it was, line breaks and quotes included', () => {
  const cell = fc.string({ unit: fc.constantFrom('a', '"', ',', '\n', '\r', ' ', 'NA', '1e5', 'é') });
  fc.assert(
    fc.property(
      fc.array(fc.tuple(cell, cell), { maxLength: 6 }),
      fc.constantFrom('\n', '\r\n'),
      (rows, end) => {
        const text = [csvLine(['question', 'answer']), ...rows.map((row) => csvLine(row)), ''].join(end);
        expect(parseCsv(text, 'f').map(({ value }) => [value['question'], value['answer']])).toEqual(rows);
      },
    ),
  );
});

test('rows know their lines', () => {
  const rows = parseCsv('a,b\r\n"x\ny",1\n\n2,"say ""hi"""', 'f');
  expect(rows).toEqual([
    { line: 2, value: { a: 'x\ny', b: '1' } },
    { line: 5, value: { a: '2', b: 'say "hi"' } },
  ]);
  expect(parseCsv('a,b\n1,', 'f')).toEqual([{ line: 2, value: { a: '1', b: '' } }]);
  expect(parseCsv('', 'f')).toEqual([]);
});

test.each([
  ['a,b\n1', 'f:2: 1 fields, the first line names 2'],
  ['a\n"x', 'f:2: a quote within a field, after it, or never closed'],
  ['a\n"x"y', 'f:2: a quote'],
])('%j is refused', (text, words) => {
  expect(() => parseCsv(text, 'f')).toThrow(words);
});
