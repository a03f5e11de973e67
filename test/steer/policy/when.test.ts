import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatCooldown, isOver, parseCooldown } from '../../../src/steer/policy/cooldown.ts';
import { type Condition, formatWhen, MAX_OVER, parseWhen } from '../../../src/steer/policy/when.ts';

const token = { of: 'token', trait: 'evil', side: 'above', over: 1, after: 1 } as const;

test.each<[string, Condition]>([
  ['evil > 12.5', { ...token, bound: { value: 12.5, unit: 'raw' } }],
  ['evil<-2sd', { ...token, side: 'below', bound: { value: -2, unit: 'sd' } }],
  ['evil > 3 sd over 8 tokens', { ...token, bound: { value: 3, unit: 'sd' }, over: 8, after: 8 }],
  [
    'evil > 3sd over 8 tokens and not before 4 tokens',
    { ...token, bound: { value: 3, unit: 'sd' }, over: 8, after: 4 },
  ],
  ['evil > 3sd and not before 1 token', { ...token, bound: { value: 3, unit: 'sd' } }],
  ['prompt evil > 2sd', { ...token, of: 'prompt', bound: { value: 2, unit: 'sd' }, after: 0 }],
  [
    'mean evil > 1e-1sd after 20 tokens',
    { ...token, of: 'mean', bound: { value: 0.1, unit: 'sd' }, after: 20 },
  ],
  ['mean > 1', { ...token, trait: 'mean', bound: { value: 1, unit: 'raw' } }],
  [
    'prompt prompt > .5',
    { ...token, of: 'prompt', trait: 'prompt', bound: { value: 0.5, unit: 'raw' }, after: 0 },
  ],
  ['  gentil-été.v2  >  1 ', { ...token, trait: 'gentil-été.v2', bound: { value: 1, unit: 'raw' } }],
])('%s', (text, condition) => {
  expect(parseWhen(text)).toEqual(condition);
  expect(parseWhen(formatWhen(condition))).toEqual(condition);
});

test.each([
  ['', 1, 'the name of a trait', 'the end'],
  ['3sd > evil', 1, 'the name of a trait', '"3sd > evil"'],
  ['evil = 3', 6, '">" or "<"', '"= 3"'],
  ['evil mean > 3', 6, '">" or "<"', '"mean > 3"'],
  ['evil >> 3', 7, 'a number, as in 3sd or 12.5', '"> 3"'],
  ['evil >= 3', 7, 'a number, as in 3sd or 12.5', '"= 3"'],
  ['evil > 1e999', 13, 'a number that is not too large', 'the end'],
  ['evil > 3sdd', 9, '"over", "and not before" or the end', '"sdd"'],
  ['evil > 3sd over', 16, `a number of tokens from 1 to ${MAX_OVER}`, 'the end'],
  ['evil > 3sd over 0 tokens', 17, `a number of tokens from 1 to ${MAX_OVER}`, '"0 tokens"'],
  ['evil > 3sd over 5000 tokens', 17, `a number of tokens from 1 to ${MAX_OVER}`, '"5000 tokens"'],
  ['evil > 3sd over 8 words', 19, '"tokens"', '"words"'],
  ['evil > 3sd over 8 tokens and 4 tokens', 30, '"not"', '"4 tokens"'],
  ['evil > 3sd over 8 tokens or so', 26, '"over", "and not before" or the end', '"or so"'],
  ['prompt evil > 2sd over 8 tokens', 19, 'the end', '"over 8 tokens"'],
  ['mean evil > 2sd over 8 tokens', 17, '"after" or the end', '"over 8 tokens"'],
  ['prompt > 2sd after 3 tokens', 14, '"over", "and not before" or the end', '"after 3 tokens"'],
])('%j is wrong at column %i', (text, column, expected, got) => {
  expect(() => parseWhen(text)).toThrow(
    expect.objectContaining({
      code: 'USAGE',
      message: `${JSON.stringify(text)}: column ${column}: expected ${expected}, got ${got}`,
    }),
  );
});

const names = fc.stringMatching(/^[a-zA-Z_ä][\w.-]{0,8}$/);
const counts = fc.integer({ min: 1, max: MAX_OVER });
const conditions = fc
  .record({
    of: fc.constantFrom('token', 'prompt', 'mean'),
    trait: fc.oneof(names, fc.constantFrom('prompt', 'mean', 'over', 'and', 'not', 'sd', 'after')),
    side: fc.constantFrom('above', 'below'),
    bound: fc.record({
      value: fc.double({ noNaN: true, noDefaultInfinity: true }).map((x) => x + 0 || 0),
      unit: fc.constantFrom('raw', 'sd'),
    }),
    over: counts,
    after: counts,
  })
  .map((made): Condition => {
    if (made.of === 'token') return made;
    return { ...made, over: 1, after: made.of === 'prompt' ? 0 : made.after };
  });

test('what is formatted parses to the same', () => {
  fc.assert(
    fc.property(conditions, (condition) => {
      expect(parseWhen(formatWhen(condition))).toEqual(condition);
    }),
  );
});

test('whatever is written, it parses or the error names a column within', () => {
  const words = fc.constantFrom('evil', 'prompt', 'mean', '>', '<', '3', 'sd', '-2sd', 'over', '8', 'tokens', 'and', 'not', 'before', 'after', '!', ' '); // prettier-ignore
  fc.assert(
    fc.property(
      fc.array(words).map((all) => all.join(' ')),
      (text) => {
        try {
          parseWhen(text);
        } catch (error) {
          const column = Number(/column (\d+): expected /.exec((error as Error).message)?.[1]);
          expect(column).toBeGreaterThanOrEqual(1);
          expect(column).toBeLessThanOrEqual(text.length + 1);
        }
      },
    ),
  );
});

test('cool-downs', () => {
  const tokens = parseCooldown('50 tokens');
  expect(tokens).toEqual({ unit: 'tokens', value: 50, per: 'conversation' });
  expect(parseCooldown('1.5h per key')).toEqual({ unit: 'ms', value: 5_400_000, per: 'key' });
  for (const text of ['50 tokens', '10m', '90s', '2h per key', '7 tokens per key'])
    expect(formatCooldown(parseCooldown(text))).toBe(text);
  for (const text of ['', '50', 'm', '-1m', '0 tokens', '10 minutes', '10m per user'])
    expect(() => parseCooldown(text), text).toThrow(expect.objectContaining({ code: 'USAGE' }));
  expect(isOver(tokens, undefined, { tokens: 0, ms: 0 })).toBe(true);
  expect(isOver(tokens, { tokens: 10, ms: 0 }, { tokens: 59, ms: 1e9 })).toBe(false);
  expect(isOver(tokens, { tokens: 10, ms: 0 }, { tokens: 60, ms: 0 })).toBe(true);
});
