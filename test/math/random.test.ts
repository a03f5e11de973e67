import fc from 'fast-check';
import { expect, test } from 'vitest';
import { random, xoshiro128 } from '../../src/math/random.ts';
import { deviation, mean } from '../../src/math/statistics.ts';

test('xoshiro128** gives its published first numbers', () => {
  const state = new Uint32Array([1, 2, 3, 4]);
  expect(Array.from({ length: 4 }, () => xoshiro128(state))).toEqual([11520, 0, 5927040, 70819200]);
});

test('a seed gives the same numbers again, and another seed others', () => {
  const take = (seed: number) => {
    const source = random(seed);
    return Array.from({ length: 8 }, () => source.bits());
  };
  fc.assert(
    fc.property(fc.maxSafeInteger(), fc.maxSafeInteger(), (a, b) => {
      expect(take(a)).toEqual(take(a));
      if (a !== b) expect(take(a)).not.toEqual(take(b));
    }),
  );
  expect(take(1)).not.toEqual(take(1 + 2 ** 32)); // the high half of a seed counts too
});

test('uniform numbers fill [0, 1) evenly', () => {
  const source = random(1);
  const values = Float64Array.from({ length: 20_000 }, () => source.uniform());
  const counts = Array.from({ length: 10 }, () => 0);
  for (const value of values) {
    expect(value >= 0 && value < 1).toBe(true);
    counts[Math.floor(value * 10)]!++;
  }
  const chi2 = counts.reduce((sum, count) => sum + (count - 2000) ** 2 / 2000, 0);
  expect(chi2).toBeLessThan(27.9); // 9 degrees of freedom, p = 0.001
});

test('below(n) stays below n and reaches each number', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 12 }), fc.integer(), (n, seed) => {
      const source = random(seed);
      const seen = new Set(Array.from({ length: 40 * n }, () => source.below(n)));
      expect([...seen].sort((a, b) => a - b)).toEqual(Array.from({ length: n }, (_, i) => i));
    }),
  );
  expect(random(3).below(2 ** 32)).toBeLessThan(2 ** 32);
  expect(() => random(0).below(0)).toThrow('expected an integer from 1 to 2^32, got 0');
  expect(() => random(0.5)).toThrow('expected an integer as seed, got 0.5');
});

test('below(n) does not favour small numbers where 2³² is no multiple of n', () => {
  const source = random(2);
  const n = 3 * 2 ** 30; // draws taken modulo n would fall below n/3 half of the time
  let small = 0;
  for (let i = 0; i < 30_000; i++) if (source.below(n) < n / 3) small++;
  expect(small / 30_000).toBeCloseTo(1 / 3, 1);
});

test('normal numbers have mean 0, deviation 1 and tails of the right weight', () => {
  const source = random(7);
  const values = Float64Array.from({ length: 40_000 }, () => source.normal());
  expect(Math.abs(mean(values))).toBeLessThan(0.02);
  expect(Math.abs(deviation(values) - 1)).toBeLessThan(0.02);
  const outside = values.filter((value) => Math.abs(value) > 1.96).length / values.length;
  expect(Math.abs(outside - 0.05)).toBeLessThan(0.005);
});

test('a shuffle keeps the items and favours no order', () => {
  fc.assert(
    fc.property(fc.array(fc.integer()), fc.integer(), (items, seed) => {
      const shuffled = random(seed).shuffle([...items]);
      expect(shuffled.sort((a, b) => a - b)).toEqual(items.sort((a, b) => a - b));
    }),
  );
  const source = random(5);
  const orders = new Map<string, number>();
  for (let i = 0; i < 6000; i++) {
    const order = source.shuffle(Uint8Array.of(0, 1, 2)).join('');
    orders.set(order, (orders.get(order) ?? 0) + 1);
  }
  expect(orders.size).toBe(6);
  for (const count of orders.values()) expect(Math.abs(count - 1000)).toBeLessThan(110); // 3.8 deviations
});
