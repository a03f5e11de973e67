import { describe, expect, test } from 'vitest';
import { random } from '../../../src/math/random.ts';
import { cosine, norm } from '../../../src/math/vector.ts';
import type { Side } from '../../../src/rollout/rollout.ts';
import { cosineOf, differenceWeights, gramOf, inner, products } from '../../../src/vector/evidence/gram.ts';
import { permutationNull } from '../../../src/vector/evidence/permutation.ts';
import { splitHalf } from '../../../src/vector/evidence/split-half.ts';

/** n rows of noise that shares a few directions, as activations do, and a push along the first axis. */
function samples(seed: number, sides: readonly Side[], push: number, d = 24): Float32Array[] {
  const next = random(seed);
  const shared = Array.from({ length: 3 }, () => Float32Array.from({ length: d }, () => next.normal()));
  return sides.map((side) => {
    const row = Float32Array.from({ length: d }, () => 0.3 * next.normal());
    for (const direction of shared) {
      const weight = 2 * next.normal();
      for (let i = 0; i < d; i++) row[i]! += weight * direction[i]!;
    }
    row[0]! += side === 'pos' ? push : -push;
    return row;
  });
}

const pairsOf = (n: number): Side[] => Array.from({ length: 2 * n }, (_, i) => (i % 2 === 0 ? 'pos' : 'neg'));

/** mean(pos) − mean(neg) in plain arithmetic */
function plainDifference(rows: readonly Float32Array[], sides: readonly Side[]): number[] {
  const meanOf = (side: Side): number[] => {
    const own = rows.filter((_, i) => sides[i] === side);
    return Array.from(own[0]!, (_, k) => own.reduce((sum, row) => sum + row[k]!, 0) / own.length);
  };
  const [pos, neg] = [meanOf('pos'), meanOf('neg')];
  return pos.map((x, i) => x - neg[i]!);
}

describe('directions by inner products', () => {
  const sides = pairsOf(6);
  const rows = samples(1, sides, 1);
  const gram = gramOf(rows);

  test('have the length, the angles and the projections of the vectors themselves', () => {
    const w = differenceWeights(sides)!;
    const v = plainDifference(rows, sides);
    expect(inner(products(gram, w), w)).toBeCloseTo(norm(v) ** 2, 6);
    rows.forEach((row, i) =>
      expect(products(gram, w)[i]).toBeCloseTo(
        row.reduce((sum, x, k) => sum + x * v[k]!, 0),
        6,
      ),
    );
    const half = differenceWeights(sides, (i) => i < 6)!;
    expect(cosineOf(gram, w, half)).toBeCloseTo(
      cosine(v, plainDifference(rows.slice(0, 6), sides.slice(0, 6))),
      6,
    );
  });

  test('need both sides', () => {
    expect(differenceWeights(sides, (i) => i === 0)).toBeUndefined();
    expect([...differenceWeights(['pos', 'neg', 'pos'])!]).toEqual([0.5, -1, 0.5]);
  });
});

describe('halves of the questions', () => {
  const sides = pairsOf(20);
  const questions = sides.map((_, i) => Math.floor(i / 2));

  test('agree on what is there', () => {
    const strong = splitHalf(gramOf(samples(2, sides, 20)), sides, questions);
    expect(strong.mean).toBeGreaterThan(0.95);
    expect(strong.low).toBeLessThanOrEqual(strong.mean);
    expect(strong.n).toBe(50);
  });

  test('do not agree on noise', () => {
    expect(splitHalf(gramOf(samples(3, sides, 0)), sides, questions).mean).toBeLessThan(0.4);
  });

  test('of one question tell nothing', () => {
    const one = splitHalf(gramOf(samples(3, ['pos', 'neg'], 1)), ['pos', 'neg'], [0, 0]);
    expect(one.mean).toBeNaN();
  });
});

describe('the null of dealt labels', () => {
  const sides = pairsOf(12);
  const blocks = sides.map((_, i) => Math.floor(i / 2));

  test('finds a planted difference longer than every other labelling', () => {
    const { p, cosineSd } = permutationNull(gramOf(samples(4, sides, 10)), sides, blocks, { repeats: 999 });
    expect(p).toBeLessThanOrEqual(0.002); // the labelling itself and its mirror image may be dealt
    expect(cosineSd).toBeGreaterThan(1 / Math.sqrt(24)); // what noise shares makes chance angles smaller
  });

  test('rejects no difference at its nominal rate, in 500 draws', () => {
    let rejected = 0;
    for (let k = 0; k < 500; k++) {
      const { p } = permutationNull(gramOf(samples(1000 + k, sides, 0)), sides, blocks, {
        repeats: 199,
        seed: k,
      });
      if (p <= 0.05) rejected++;
    }
    // binomial(500, 0.05): 25 ± 4.9; three deviations
    expect(rejected).toBeGreaterThanOrEqual(11);
    expect(rejected).toBeLessThanOrEqual(40);
  });

  test('keeps labels within their block', () => {
    // one block holds both positives of the same text: swapping within it changes nothing, so every labelling ties
    const rows = [1, 1, 5, 5].map((x) => Float32Array.of(x));
    const { p } = permutationNull(gramOf(rows), ['pos', 'neg', 'pos', 'neg'], [0, 0, 1, 1], { repeats: 50 });
    expect(p).toBe(1);
  });
});
