import { expect, test } from 'vitest';
import { digitTree, type NextTokens } from '../../src/judge/digit-tree.ts';

/** A model given by its next tokens after each text; it writes nothing else. */
function model(table: Record<string, Record<string, number>>): { next: NextTokens; asked: string[] } {
  const texts = [...new Set(Object.values(table).flatMap((row) => Object.keys(row)))];
  const asked: string[] = [];
  return {
    asked,
    next: async (prefix) => {
      const text = prefix.map((token) => texts[token]!).join('');
      asked.push(text);
      const row = table[text];
      if (row === undefined) throw new Error(`asked after ${JSON.stringify(text)}`);
      return Object.entries(row).map(([piece, probability]) => ({
        token: texts.indexOf(piece),
        text: piece,
        probability,
      }));
    },
  };
}

async function masses(table: Record<string, Record<string, number>>): Promise<Record<string, number>> {
  return Object.fromEntries(await digitTree(model(table).next));
}

test('single digits: a number is its digits and an end', async () => {
  const found = await masses({
    '': { 8: 0.6, 1: 0.3, REFUSAL: 0.1 },
    8: { 5: 0.5, 0: 0.25, '<end>': 0.25 },
    1: { 0: 0.8, '.': 0.1, '<end>': 0.1 },
    10: { 0: 0.5, '<end>': 0.5 },
  });
  // 8: .6·.25 · 85: .6·.5 · 80: .6·.25 · 1: .3·.2 · 10: .3·.8·.5 · 100: .3·.8·.5
  expect(found).toEqual({
    REFUSAL: 0.1,
    8: expect.closeTo(0.15, 12),
    85: expect.closeTo(0.3, 12),
    80: expect.closeTo(0.15, 12),
    1: expect.closeTo(0.06, 12),
    10: expect.closeTo(0.12, 12),
    100: expect.closeTo(0.12, 12),
  });
});

test('whole numbers as tokens: their other spellings count too, and out of range is lost', async () => {
  const table = {
    '': { 85: 0.5, 8: 0.2, 100: 0.1, 101: 0.1, ' 85': 0.05, no: 0.05 },
    8: { 5: 0.25, 50: 0.25, '<end>': 0.5 },
  };
  const { next, asked } = model(table);
  const found = Object.fromEntries(await digitTree(next));
  expect(found).toEqual({
    85: expect.closeTo(0.5 + 0.05 + 0.2 * 0.25, 12),
    8: expect.closeTo(0.1, 12), // 850 is lost
    100: 0.1,
    no: 0.05,
  });
  expect(asked).toEqual(['', '8']);
});

test('white space before a number, as tokens of its own', async () => {
  const found = await masses({
    '': { ' ': 0.9, x: 0.1 },
    ' ': { 4: 0.5, '\n': 0.5 },
    ' \n': { 7: 1 },
    ' 4': { '2': 0.5, '<end>': 0.5 },
    ' \n7': { '<end>': 1 },
  });
  expect(found).toEqual({
    x: 0.1,
    42: expect.closeTo(0.225, 12),
    4: expect.closeTo(0.225, 12),
    7: expect.closeTo(0.45, 12),
  });
});

test('endless white space ends', async () => {
  let asked = 0;
  const found = await digitTree(async () => (asked++, [{ token: 0, text: ' ', probability: 1 }]));
  expect(found.size).toBe(0);
  expect(asked).toBe(3);
});

test('a number within a token, and zeros in front', async () => {
  const found = await masses({ '': { '7%': 0.5, 0: 0.5 }, 0: { 5: 0.4, '.': 0.6 } });
  expect(found).toEqual({ 7: 0.5, 5: expect.closeTo(0.2, 12), 0: expect.closeTo(0.3, 12) });
});

test('branches of less than a hundredth are not asked for, and work has a bound', async () => {
  const { next, asked } = model({ '': { 9: 0.991, 8: 0.009 }, 9: { '<end>': 1 } });
  expect(Object.fromEntries(await digitTree(next))).toEqual({ 9: 0.991 });
  expect(asked).toEqual(['', '9']);

  let count = 0;
  const digits = await digitTree(async () => {
    count++;
    return Array.from({ length: 10 }, (_, d) => ({ token: d, text: String(d), probability: 0.1 }));
  });
  expect(count).toBe(12); // the first, ten digits, and 10
  expect([...digits.values()].reduce((sum, p) => sum + p, 0)).toBeCloseTo(1 - 0.01 + 0.001, 12); // 10 goes on to 100 … 109
});
