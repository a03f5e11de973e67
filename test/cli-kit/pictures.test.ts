import { expect, test } from 'vitest';
import { bars, sparkline } from '../../src/cli/kit/chart.ts';
import { colorDepth } from '../../src/cli/kit/color.ts';
import { heat, heatLegend } from '../../src/cli/kit/heat.ts';
import { table } from '../../src/cli/kit/table.ts';
import { bytes, clip, count, displayWidth, duration, harmless } from '../../src/cli/kit/text.ts';

test('a table is aligned, numbers to the right, wide letters counted as two', () => {
  expect(
    table(
      ['trait', 'AUC'],
      [
        ['humor', 0.91],
        ['evil', 0.8],
      ],
    ),
  ).toBe(['trait   AUC', 'humor  0.91', 'evil    0.8'].join('\n'));
  expect(
    table(
      ['名', 'share', 'note'],
      [
        ['日本', '12 %', 'ä'],
        ['x', undefined, 'two\nlines'],
      ],
    ),
  ).toBe(['名    share  note', '日本   12 %  ä', 'x            two lines'].join('\n'));
  expect(table(['a', 'b'], [])).toBe('a  b');
});

test('widths are those of a terminal', () => {
  expect(displayWidth('日本')).toBe(4);
  expect(displayWidth('é')).toBe(1); // e and a combining accent
  expect(displayWidth('👩‍👩‍👧')).toBe(2);
  expect(displayWidth('\x1b[31mred\x1b[0m')).toBe(3);
  expect(clip('abcdef', 4)).toBe('abc…');
  expect(clip('日本語', 4)).toBe('日…');
});

test('quantities read well', () => {
  expect([count(1_234_567), count(0.123), count(12.34)]).toEqual(['1,234,567', '0.12', '12.3']);
  expect([bytes(12), bytes(1_500_000), bytes(4.2e10)]).toEqual(['12 B', '1.5 MB', '42 GB']);
  expect([duration(0.25), duration(59.6), duration(75), duration(7500)]).toEqual([
    '0.3 s',
    '1 min 00 s',
    '1 min 15 s',
    '2 h 05 min',
  ]);
});

test('charts: the worked examples hold', () => {
  expect(sparkline([0, 7, 3])).toBe('▁█▄');
  expect(sparkline([5, NaN, 5])).toBe('▁ ▁');
  expect(
    bars(
      [
        { label: 'a', value: 2 },
        { label: 'bc', value: -1 },
      ],
      6,
    ),
  ).toBe(['a     ████ 2', 'bc  ██     -1'].join('\n'));
  expect(bars([])).toBe('');
});

test('tokens are blue below, grey at, orange above the usual', () => {
  const tokens = [{ text: 'No', z: -9 }, { text: ' way', z: 0 }, { text: '!\n', z: 3 }, { text: 'so' }];
  expect(heat(tokens, 'full')).toBe(
    '\x1b[30;48;2;90;160;255mNo\x1b[0m\x1b[30;48;2;200;200;200m way\x1b[0m\x1b[30;48;2;255;150;50m!\x1b[0m\nso',
  );
  expect(heat(tokens.slice(0, 1), '256')).toBe('\x1b[30;48;5;75mNo\x1b[0m'); // 16 + 36·1 + 6·3 + 5
  expect(heat(tokens, 'none')).toBe('No way!\nso');
  expect(heatLegend('humor', 'full')).toMatch(/^less humor −3 .*\+3 more humor/);
  expect(heatLegend('humor', 'none')).toBe('');
});

test("a model's text cannot steer the terminal", () => {
  expect(harmless('a\x1b]0;title\x07b\tc\n')).toBe('a\uFFFD]0;title\uFFFDb\tc\n');
  expect(heat([{ text: '\x1b[2J', z: 1 }], 'none')).toBe('\uFFFD[2J');
});

test('colours follow the terminal, NO_COLOR, FORCE_COLOR and --no-color', () => {
  const tty = { isTTY: true };
  expect(colorDepth(tty, true, { TERM: 'xterm', COLORTERM: 'truecolor' })).toBe('full');
  expect(colorDepth(tty, true, { TERM: 'xterm-256color' })).toBe('256');
  expect(colorDepth(tty, true, { TERM: 'dumb' })).toBe('none');
  expect(colorDepth(tty, true, { COLORTERM: 'truecolor', NO_COLOR: '1' })).toBe('none');
  expect(colorDepth(tty, false, { COLORTERM: 'truecolor' })).toBe('none');
  expect(colorDepth({}, true, { COLORTERM: 'truecolor' })).toBe('none');
  expect(colorDepth({}, true, { FORCE_COLOR: '3' })).toBe('full');
});
