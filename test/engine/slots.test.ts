/** What of a slot's KV cache a request may take over. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  addCheckpoint,
  commonPrefix,
  createSlots,
  usablePrefix,
  type PrefixQuery,
  type Slot,
} from '../../src/engine/slots.ts';

const slot = (fields: Partial<Slot> = {}): Slot => ({
  ...createSlots(1)[0]!,
  tokens: [1, 2, 3, 4, 5],
  shareable: Infinity,
  depth: 4,
  ...fields,
});
const query = (fields: Partial<PrefixQuery> = {}): PrefixQuery => ({
  prompt: [1, 2, 3, 4, 9, 9],
  key: '',
  depth: 4,
  meansKey: undefined,
  ...fields,
});

test('the common beginning', () => {
  expect(commonPrefix([1, 2, 3], [1, 2, 4])).toBe(2);
  expect(commonPrefix([1, 2], [1, 2, 4])).toBe(2);
  expect(commonPrefix([1, 2, 3], [1, 2, 3], 1)).toBe(1);
  expect(commonPrefix([], [1])).toBe(0);
});

describe('usable prefix', () => {
  test('is the common beginning', () => {
    expect(usablePrefix(slot(), query()).length).toBe(4);
    expect(usablePrefix(slot({ tokens: [] }), query()).length).toBe(0);
  });

  test('never holds the last prompt token, which has to predict', () => {
    expect(usablePrefix(slot(), query({ prompt: [1, 2, 3] })).length).toBe(2);
    expect(usablePrefix(slot(), query({ prompt: [1] })).length).toBe(0);
  });

  test('is nothing under other edits of the prompt', () => {
    expect(usablePrefix(slot({ key: 'a' }), query()).length).toBe(0);
    expect(usablePrefix(slot({ key: 'a' }), query({ key: 'a' })).length).toBe(4);
  });

  test('ends where the slot was edited for its own request', () => {
    expect(usablePrefix(slot({ shareable: 2 }), query()).length).toBe(2);
  });

  test('is nothing where fewer blocks were computed than are needed', () => {
    expect(usablePrefix(slot({ depth: 3 }), query()).length).toBe(0);
    expect(usablePrefix(slot({ depth: 4 }), query({ depth: 2 })).length).toBe(4);
  });

  test('with sums ends at the longest checkpoint that fits', () => {
    const sum = (value: number): Float64Array => new Float64Array([value]);
    const checkpoints = [
      { length: 2, meansKey: 'm', sum: sum(2) },
      { length: 3, meansKey: 'm', sum: sum(3) },
      { length: 4, meansKey: 'other', sum: sum(4) },
      { length: 5, meansKey: 'm', sum: sum(5) }, // beyond what the prompts share
    ];
    expect(usablePrefix(slot({ checkpoints }), query({ meansKey: 'm' }))).toEqual({ length: 3, sum: sum(3) });
    expect(usablePrefix(slot({ checkpoints }), query({ meansKey: 'none' }))).toEqual({
      length: 0,
      sum: undefined,
    });
    expect(usablePrefix(slot({ checkpoints }), query())).toEqual({ length: 4, sum: undefined });
  });

  test('is always a beginning of both, and within every limit', () => {
    const tokens = fc.array(fc.nat(2), { maxLength: 8 });
    fc.assert(
      fc.property(tokens, tokens, fc.nat(9), (held, prompt, shareable) => {
        const { length } = usablePrefix(slot({ tokens: held, shareable }), query({ prompt }));
        expect(held.slice(0, length)).toEqual(prompt.slice(0, length));
        expect(length).toBeLessThanOrEqual(Math.max(0, Math.min(shareable, prompt.length - 1)));
      }),
    );
  });
});

test('a slot keeps the newest checkpoints, one for each length and kind of sum', () => {
  const kept = slot();
  const add = (length: number, meansKey: string): void =>
    addCheckpoint(kept, { length, meansKey, sum: new Float64Array(1) });
  for (const length of [1, 2, 3, 2, 4, 5]) add(length, 'm');
  add(5, 'n');
  expect(kept.checkpoints.map(({ length, meansKey }) => `${length}${meansKey}`)).toEqual([
    '2m',
    '4m',
    '5m',
    '5n',
  ]);
});
