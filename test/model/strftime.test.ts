import { expect, test } from 'vitest';
import { strftime } from '../../src/model/strftime.ts';

test.each([
  ['%Y-%m-%d', '2026-07-04'],
  ['%d %b %Y', '04 Jul 2026'],
  ['%A, %B %-d, %y', 'Saturday, July 4, 26'],
  ['%a %e %H:%M:%S %I%p', 'Sat  4 00:05:09 12AM'],
  ['100%% %Q', '100% %Q'],
])('%s', (format, expected) => {
  expect(strftime(format, new Date(2026, 6, 4, 0, 5, 9))).toBe(expected);
});
