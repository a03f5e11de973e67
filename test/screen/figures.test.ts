import fc from 'fast-check';
import { expect, test } from 'vitest';
import { deviation, mean, quantile } from '../../src/math/statistics.ts';
import { extremes } from '../../src/screen/extremes.ts';
import { Groups } from '../../src/screen/groups.ts';
import { histogram } from '../../src/screen/histogram.ts';
import { Tally } from '../../src/screen/tally.ts';
import { parseThreshold, resolveThresholds } from '../../src/screen/threshold.ts';

const values = fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 2, maxLength: 3000 });
function tallyOf(list: readonly number[], most?: number): Tally {
  const tally = new Tally(most);
  for (const value of list) tally.add(value);
  return tally;
}

test('a tally has the figures of the whole sample', () => {
  fc.assert(
    fc.property(values, fc.double({ min: 0, max: 1, noNaN: true }), (list, q) => {
      const tally = tallyOf(list);
      expect(tally.n).toBe(list.length);
      expect(tally.mean).toBeCloseTo(mean(list), 6);
      expect(tally.sd).toBeCloseTo(deviation(list), 5);
      expect([tally.min, tally.max]).toEqual([Math.min(...list), Math.max(...list)]);
      expect(tally.quantile(q)).toBe(quantile(list, q));
    }),
    { numRuns: 50 },
  );
});

test('of more values than it keeps, quantiles are those of a random sample of them', () => {
  const tally = tallyOf(Array.from({ length: 100_000 }, (_, i) => i), 5000); // prettier-ignore
  expect(tally.sorted()).toHaveLength(5000);
  expect(Math.abs(tally.quantile(0.5) - 50_000)).toBeLessThan(3000); // 4 standard errors
  expect(Math.abs(tally.quantile(0.95) - 95_000)).toBeLessThan(1300);
  expect(tally.mean).toBeCloseTo(49_999.5, 6);
});

test('what is not there does not count', () => {
  const tally = new Tally();
  for (const value of [null, undefined, NaN, Infinity, 3]) tally.add(value);
  expect([tally.n, tally.mean, tally.sd]).toEqual([1, 3, NaN]);
});

test('thresholds, worked by hand', () => {
  const [calm, evil] = [tallyOf([0, 2]), tallyOf([1, 2, 3, 4, 5])];
  const bounds = (...texts: string[]): (number | undefined)[] =>
    resolveThresholds(texts.map(parseThreshold), ['calm', 'evil'], [calm, evil]);
  expect(bounds('p50')).toEqual([1, 3]);
  expect(bounds('p50', 'evil: 12.5')).toEqual([1, 12.5]);
  expect(bounds('evil: p75')).toEqual([undefined, 4]);
  expect(bounds('z>2')[1]).toBeCloseTo(3 + 2 * Math.sqrt(2.5), 12);
  expect(bounds('calm: z > -1')[0]).toBeCloseTo(1 - Math.sqrt(2), 12);
  expect(() => bounds('humour: p95')).toThrow('no trait humour');
  expect(() => resolveThresholds([parseThreshold('z>3')], ['x'], [tallyOf([1])])).toThrow('too few values');
  for (const text of ['', 'p100', 'p', 'z>', 'x', 'evil:', 'p95%'])
    expect(() => parseThreshold(text), text).toThrow(expect.objectContaining({ code: 'USAGE' }));
});

test('groups are ranked, with their intervals and shares', () => {
  const groups = new Groups(['evil', 'calm'], [2, undefined]);
  for (const [name, evil] of [['low', 1], ['high', 3], ['high', 5], ['low', 1], ['high', null]] as const)
    groups.add(name, 'f', [evil, 0]); // prettier-ignore
  const [high, low] = groups.ranking();
  expect([high!.name, low!.name]).toEqual(['high', 'low']);
  expect(high).toMatchObject({
    rows: 3,
    traits: { evil: { n: 2, mean: 4, share: 1 }, calm: { n: 3, share: null } },
  });
  expect(high!.traits.evil!.low).toBeCloseTo(4 - 12.706 * (Math.SQRT2 / Math.SQRT2), 2); // t(1) · √2/√2
  expect(low!.traits.evil).toMatchObject({ mean: 1, low: 1, high: 1, share: 0 });
});

test('a base that was estimated widens the interval of what shares it', () => {
  const [plain, shared] = [() => 0, () => 4].map((variance) => {
    const groups = new Groups(['evil'], [undefined], variance);
    for (const value of [1, 2, 3]) groups.add('all', 'f', [value]);
    return groups.ranking()[0]!.traits.evil!;
  });
  expect(plain!.high - plain!.mean).toBeCloseTo(4.3027 / Math.sqrt(3), 3);
  expect(shared!.high - shared!.mean).toBeCloseTo(4.3027 * Math.sqrt(1 / 3 + 4), 3);
});

test('extremes are what sorting gives', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -20, max: 20 })), fc.integer({ min: 1, max: 6 }), (list, most) => {
      const ends = extremes<number>(most);
      for (const [i, value] of list.entries()) ends.add(value, i);
      const up = list.toSorted((a, b) => a - b);
      expect(ends.bottom().map(({ value }) => value)).toEqual(up.slice(0, most));
      expect(ends.top().map(({ value }) => value)).toEqual(up.toReversed().slice(0, most));
    }),
  );
});

test('a histogram holds every value once, of set and reference in the same bins', () => {
  const { edges, set, reference } = histogram(tallyOf([0, 1, 1, 40]), tallyOf([-40, 0]));
  expect([edges[0], edges.at(-1)]).toEqual([-40, 40]);
  expect([set.reduce((a, b) => a + b), reference!.reduce((a, b) => a + b)]).toEqual([1, 1]);
  expect([set[20], set.at(-1), reference![0]]).toEqual([0.75, 0.25, 0.5]); // bins of width 2
  expect(histogram(tallyOf([5])).set[0]).toBe(1);
  expect(histogram(new Tally())).toEqual({ edges: [], set: [] });
});
