import { InvalidArgumentError } from 'commander';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  duration,
  integer,
  number,
  numbers,
  range,
  repeated,
  seed,
  size,
} from '../../src/cli/kit/options.ts';

test('the worked examples hold', () => {
  expect(seed('7')).toBe(7);
  expect(numbers('-2,-1,0.5')).toEqual([-2, -1, 0.5]);
  expect(range('8-12:2,3')).toEqual([3, 8, 10, 12]);
  expect(duration('1.5m')).toBe(90_000);
  expect(size('2G')).toBe(2_147_483_648);
});

test('any number is read back', () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
      expect(number()(String(value)) === value).toBe(true); // −0 is written 0
    }),
  );
});

test('a range holds its ends, each layer once, in order', () => {
  expect(range('8-20')).toHaveLength(13);
  expect(range('8,10,12')).toEqual([8, 10, 12]);
  expect(range('5, 4,5')).toEqual([4, 5]);
  expect(range('1-6:2')).toEqual([1, 3, 5]);
});

test('units count as their users expect', () => {
  expect([duration('250ms'), duration('30s'), duration('5min'), duration('2h')]).toEqual([
    250, 30_000, 300_000, 7_200_000,
  ]);
  expect([size('512'), size('1KiB'), size('1kB'), size('1.5MB'), size('4 GiB')]).toEqual([
    512,
    1024,
    1000,
    1_500_000,
    2 ** 32,
  ]);
});

test('an option given several times becomes a list', () => {
  const parse = repeated(integer());
  expect(parse('2', parse('1'))).toEqual([1, 2]);
});

test.each<[string, () => unknown, string]>([
  ['no number', () => number()('1x'), '"1x" is not a number.'],
  ['nothing', () => number()(''), '"" is not a number.'],
  ['another base', () => number()('0x10'), '"0x10" is not a number.'],
  ['not finite', () => number()('1e999'), '"1e999" is too large.'],
  ['a fraction', () => integer()('1.5'), 'Expected a whole number.'],
  ['too small', () => integer({ min: 1 })('0'), 'Expected 1 or more.'],
  ['too large', () => number({ max: 1 })('1.1'), 'Expected 1 or less.'],
  ['outside', () => integer({ min: 1, max: 65535 })('70000'), 'Expected 1 to 65535.'],
  ['a negative seed', () => seed('-1'), 'Expected 0 to 4294967295.'],
  ['a gap in a list', () => numbers('1,,2'), '"" is not a number.'],
  ['no range', () => range('a-b'), '"a-b" is not like 8, 8-20 or 8-20:2 (from, to, step).'],
  ['backwards', () => range('9-2'), '"9-2" runs backwards.'],
  ['standing still', () => range('1-5:0'), '"1-5:0" has a step of 0.'],
  ['far too many', () => range('0-999999999'), '"0-999999999" has more than 10000 values.'],
  ['no unit', () => duration('30'), 'Expected a time like 500ms, 30s, 5m or 2h.'],
  ['a name of Object.prototype', () => size('1constructor'), 'Expected a size like 512M, 4G or 500MB.'],
])('%s is refused with what was expected', (_, parse, message) => {
  expect(parse).toThrow(InvalidArgumentError);
  expect(parse).toThrow(message);
});
