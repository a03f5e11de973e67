import { expect, test } from 'vitest';
import { splitMeans, thinkingTokens } from '../../src/monitor/thinking.ts';

test.each([
  [['<think>', 'hm', '</think>', 'Yes', '.'], 3],
  [['<think>', 'hm', '</thi', 'nk>', 'Yes'], 4], // the mark in two tokens
  [['<think>', 'hm', '</thi', 'nk>\n\nYes', '!'], 4], // the token in which it ends has thought and reply
  [['hm', '</think>', 'Yes'], 2], // the template opened it in the prompt
  [['a', '</think>', 'b', '</think>', 'c'], 4], // the last one counts
  [['\n', '<think>', 'on', ' and on'], 4], // cut off in the midst of it
  [['Yes', '.'], undefined],
  [['I say <think> aloud'], undefined],
  [[], undefined],
])('%j: %s tokens are thoughts', (pieces, count) => {
  expect(thinkingTokens(pieces)).toBe(count);
});

test('thoughts and reply have means of their own', () => {
  expect(splitMeans([1, 3, 10], 2)).toEqual({ thinking: 2, reply: 10 });
  expect(splitMeans([1, 3], 2)).toEqual({ thinking: 2, reply: null });
  expect(splitMeans([], 0)).toEqual({ thinking: null, reply: null });
});
