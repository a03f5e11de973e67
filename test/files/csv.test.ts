import { expect, test } from 'vitest';
import { csvLine } from '../../src/files/csv.ts';

test('fields are quoted where they must be', () => {
  expect(csvLine(['a', 1.5, null, undefined, true, 'b "c", d'])).toBe('a,1.5,,,true,"b ""c"", d"');
  expect(csvLine(['two\nlines', 'cr\r', ''])).toBe('"two\nlines","cr\r",');
  expect(csvLine([[1, 2], { a: 'x' }])).toBe('"[1,2]","{""a"":""x""}"');
});
