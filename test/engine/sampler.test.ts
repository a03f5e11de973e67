/** The arithmetic of sampling against its plain definitions. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { draw, indexOfLargest, largest, logSumExp } from '../../src/engine/logits.ts';
import { Sampler, smallestKept } from '../../src/engine/sampler.ts';

const f32 = (...values: number[]): Float32Array => new Float32Array(values);
const rows = fc
  .array(fc.float({ min: -60, max: 60, noNaN: true }), { minLength: 1, maxLength: 700 })
  .map((values) => new Float32Array(values));
const uniform = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

/** Indices by falling logit, of equal ones the first first. */
const ranked = (logits: Float32Array): number[] =>
  [...logits.keys()].sort((a, b) => logits[b]! - logits[a]! || a - b);

function probabilities(logits: Float32Array, temperature = 1): number[] {
  const max = Math.max(...logits);
  const weights = Array.from(logits, (x) => Math.exp((x - max) / temperature));
  const total = weights.reduce((a, b) => a + b);
  return weights.map((weight) => weight / total);
}

test('log-sum-exp', () => {
  expect(logSumExp(f32(0, 0))).toBeCloseTo(Math.log(2), 10);
  expect(logSumExp(f32(1000, -1000))).toBeCloseTo(1000, 10);
  expect(logSumExp(f32(-1e30, 3))).toBeCloseTo(3, 10);
  fc.assert(
    fc.property(rows, (logits) => {
      const max = Math.max(...logits);
      const expected = max + Math.log(logits.reduce((sum, x) => sum + Math.exp(x - max), 0));
      expect(Math.abs(logSumExp(logits) - expected)).toBeLessThan(1e-9);
    }),
  );
});

test('the largest are what sorting gives', () => {
  fc.assert(
    fc.property(rows, fc.nat(800), (logits, n) => {
      const expected = ranked(logits).slice(0, n);
      expect(largest(logits, n)).toEqual(expected.map((token) => ({ token, logit: logits[token] })));
      expect(indexOfLargest(logits)).toBe(ranked(logits)[0]);
    }),
  );
  const equal = new Float32Array(9);
  expect(largest(equal, 3).map(({ token }) => token)).toEqual([0, 1, 2]);
});

test('drawing from all goes through the tokens in order, each as wide as its probability', () => {
  fc.assert(
    fc.property(rows, uniform, fc.constantFrom(0.3, 1, 2), (logits, at, temperature) => {
      const token = draw(logits, -Infinity, temperature, at);
      const shares = probabilities(logits, temperature);
      const before = shares.slice(0, token).reduce((a, b) => a + b, 0);
      expect(at).toBeGreaterThanOrEqual(before - 1e-9);
      expect(at).toBeLessThan(before + shares[token]! + 1e-9);
    }),
    { numRuns: 300 },
  );
  expect(draw(f32(5), -Infinity, 1, 0.999999)).toBe(0);
  expect(draw(f32(0, -Infinity, 0), -Infinity, 1, 0.5)).toBe(2);
  expect(draw(f32(1, 0, 1, 0), 1, 1, 1 - 2 ** -53)).toBe(2);
});

describe('what is left to draw from', () => {
  /** likeliest first */
  const kept = (logits: Float32Array, topK: number, topP: number, minP: number): number[] => {
    const floor = smallestKept(logits, topK, topP, minP);
    return ranked(logits).filter((token) => logits[token]! >= floor);
  };

  test('by hand: probabilities 0.5, 0.25, 0.15, 0.1', () => {
    const logits = Float32Array.from([0.1, 0.5, 0.15, 0.25], Math.log);
    expect(kept(logits, 2, 1, 0)).toEqual([1, 3]);
    expect(kept(logits, 0, 0.7, 0)).toEqual([1, 3]);
    expect(kept(logits, 0, 0.8, 0)).toEqual([1, 3, 2]);
    expect(kept(logits, 0, 0, 0)).toEqual([1]);
    expect(kept(logits, 0, 1, 0.25)).toEqual([1, 3, 2]);
    expect(kept(logits, 2, 0.6, 0)).toEqual([1]); // 0.5 of the 0.75 that top-k left
    expect(kept(logits, 3, 0.99, 0.4)).toEqual([1, 3]);
  });

  test('for any logits', () => {
    const topP = fc.constantFrom(0.1, 0.5, 0.9, 0.999, 1);
    const minP = fc.constantFrom(0, 1e-9, 0.01, 0.5, 1);
    fc.assert(
      fc.property(rows, fc.constantFrom(0, 1, 3, 200, 5000), topP, minP, (logits, k, p, m) => {
        fc.pre(k > 0 || p < 1 || m > 0);
        const shares = probabilities(logits);
        const afterK = ranked(logits).slice(0, k || Infinity);
        const mass = afterK.reduce((sum, token) => sum + shares[token]!, 0);
        let sum = 0;
        const afterP =
          p === 1
            ? afterK
            : afterK.filter((token) => {
                const wanted = sum < p * mass - 1e-9;
                sum += shares[token]!;
                return wanted;
              });
        const least = logits[afterP[0]!]! + Math.log(m);
        const expected = afterP.filter((token) => logits[token]! >= least);
        const actual = kept(logits, k, p, m);
        // rounding may tip the last one over the edge
        expect(Math.abs(actual.length - expected.length)).toBeLessThanOrEqual(p < 1 ? 1 : 0);
        const both = Math.min(actual.length, expected.length);
        expect(actual.slice(0, both)).toEqual(expected.slice(0, both));
      }),
      { numRuns: 500 },
    );
  });
});

describe('a sampler', () => {
  test('lowers what came before, as often as it came, and leaves the logits alone', () => {
    const logits = f32(4, 3.9, -1);
    const draws = (sampling: object): number[] => {
      const sampler = new Sampler({ temperature: 0, ...sampling });
      return [1, 2, 3].map(() => sampler.draw(logits));
    };
    expect(draws({})).toEqual([0, 0, 0]);
    expect(draws({ repeatPenalty: 2 })).toEqual([0, 1, 0]); // 2, then 1.95
    expect(draws({ presencePenalty: 0.5 })).toEqual([0, 1, 0]);
    expect(draws({ frequencyPenalty: 3 })).toEqual([0, 1, 0]);
    expect(draws({ frequencyPenalty: 5.5 })).toEqual([0, 1, 2]);
    expect(draws({ presencePenalty: 5.5 })).toEqual([0, 1, 2]);
    expect(draws({ presencePenalty: 0.5, penaltyLast: 0 })).toEqual([0, 0, 0]);
    expect(draws({ presencePenalty: 0.5, penaltyLast: 1 })).toEqual([0, 1, 0]);
    expect([...logits]).toEqual([4, Math.fround(3.9), -1]);
    const negative = new Sampler({ temperature: 0, repeatPenalty: 3 });
    expect([1, 2].map(() => negative.draw(f32(-1, -2)))).toEqual([0, 1]); // −3 is below −2
  });

  test('draws as often as the temperature says, from what is left', () => {
    const logits = Float32Array.from([0.5, 0.3, 0.15, 0.05], Math.log);
    const shares = (sampling: object): number[] => {
      const counts = [0, 0, 0, 0];
      const sampler = new Sampler({ seed: 1, ...sampling });
      for (let i = 0; i < 20_000; i++) counts[sampler.draw(logits)]!++;
      return counts.map((count) => count / 20_000);
    };
    const expectShares = (actual: number[], expected: number[]): void =>
      expected.forEach((share, i) => expect(Math.abs(actual[i]! - share)).toBeLessThan(0.02));
    expectShares(shares({}), [0.5, 0.3, 0.15, 0.05]);
    expectShares(shares({ temperature: 0.5 }), probabilities(logits, 0.5));
    expectShares(shares({ temperature: 3 }), probabilities(logits, 3));
    expectShares(shares({ topK: 2 }), [0.625, 0.375, 0, 0]);
    expectShares(shares({ topP: 0.75, temperature: 2 }), [...probabilities(logits.slice(0, 2), 2), 0, 0]);
  });

  test('seeds that differ anywhere draw differently', () => {
    const flat = new Float32Array(1000);
    const drawn = (seed: number): string => {
      const sampler = new Sampler({ seed });
      return Array.from({ length: 8 }, () => sampler.draw(flat)).join();
    };
    const seeds = [0, 1, 2, -1, -2, 2 ** 31, 2 ** 32, 2 ** 32 + 1, 2 ** 52, Number.MAX_SAFE_INTEGER];
    expect(new Set(seeds.map(drawn)).size).toBe(seeds.length);
    expect(drawn(7)).toBe(drawn(7));
  });
});
