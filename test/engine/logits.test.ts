/** The arithmetic over logits against its plain definitions. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { drawToken, indexOfLargest, largest, logSumExp } from '../../src/engine/logits.ts';

const f32 = (...values: number[]): Float32Array => new Float32Array(values);
const rows = fc
  .array(fc.float({ min: -60, max: 60, noNaN: true }), { minLength: 1, maxLength: 700 })
  .map((values) => new Float32Array(values));

/** Indices by falling logit, of equal ones the first first. */
const ranked = (logits: Float32Array): number[] =>
  [...logits.keys()].sort((a, b) => logits[b]! - logits[a]! || a - b);

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

test('a drawn token is the one at its share of the probability', () => {
  const temperatures = fc.constantFrom(0.1, 0.7, 1, 1.5, 10);
  const uniforms = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  fc.assert(
    fc.property(rows, temperatures, uniforms, (logits, temperature, uniform) => {
      const max = Math.max(...logits);
      const weights = Array.from(logits, (x) => Math.exp((x - max) / temperature));
      const at = uniform * weights.reduce((sum, x) => sum + x, 0);
      const token = drawToken(logits, temperature, uniform);
      const below = weights.slice(0, token).reduce((sum, x) => sum + x, 0);
      expect(below).toBeLessThanOrEqual(at + 1e-8);
      if (token < logits.length - 1) expect(below + weights[token]!).toBeGreaterThan(at - 1e-8);
    }),
    { numRuns: 500 },
  );
});

test('what has no probability is not drawn, at the ends neither', () => {
  const logits = new Float32Array(600).fill(-Infinity);
  logits[300] = 2;
  logits[400] = 2;
  expect(drawToken(logits, 1, 0)).toBe(300);
  expect(drawToken(logits, 1, 0.4999)).toBe(300);
  expect(drawToken(logits, 1, 0.5001)).toBe(400);
  expect(drawToken(logits, 1, 1 - 2 ** -53)).toBe(400);
});
