import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  calibrate,
  type Calibration,
  calibrationWarning,
  coherenceScore,
  judgementOf,
  traitScore,
} from '../../src/judge/calibrate.ts';
import type { Measurement } from '../../src/judge/measure.ts';
import { random } from '../../src/math/random.ts';

const contrasts = (...values: number[]): Measurement[] =>
  values.map((contrast) => ({ contrast, surprise: 1 }));

/** Sides at 2 ± √2 and −1 ± √2: midpoint 0.5, variance 2, 3 apart. Usual answers at 2 ± 0.5, shuffled at 6. */
const WORKED = calibrate({
  positive: contrasts(1, 3),
  negative: contrasts(-2, 0),
  usual: [1.5, 2, 2.5],
  shuffled: [5, 7],
});

describe('the trait scale', () => {
  test('worked by hand', () => {
    expect(WORKED.trait.midpoint).toBeCloseTo(0.5, 12);
    expect(WORKED.trait.slope).toBeCloseTo(3 / 2, 12);
    expect(WORKED.trait.dPrime).toBeCloseTo(3 / Math.SQRT2, 12);
    expect(WORKED.trait.auc).toBe(1);
    expect(WORKED.trait.rollouts).toBe(4);
    expect(traitScore(0.5, WORKED)).toBe(50);
    // a log-odds of 1.5 for each unit
    expect(traitScore(1.5, WORKED)).toBeCloseTo(100 / (1 + Math.exp(-1.5)), 10);
    expect(traitScore(-0.5, WORKED)).toBeCloseTo(100 - traitScore(1.5, WORKED), 10);
  });

  test('it is the share of positive answers at that contrast, where both sides are normal', () => {
    const next = random(3);
    const draw = (center: number): Measurement[] =>
      contrasts(...Array.from({ length: 40_000 }, () => center + next.normal()));
    const [positive, negative] = [draw(1), draw(-0.4)];
    const scale = calibrate({ positive, negative, usual: [1], shuffled: [2] });
    for (const at of [-0.5, 0.3, 1.2]) {
      const near = (side: Measurement[]): number =>
        side.filter(({ contrast }) => Math.abs(contrast - at) < 0.15).length;
      const share = near(positive) / (near(positive) + near(negative));
      expect(traitScore(at, scale) / 100).toBeCloseTo(share, 1);
    }
  });

  test('scores rise with the contrast, lie within 0…100, and mirror when the sides are swapped', () => {
    const side = fc.array(fc.double({ min: -5, max: 5, noNaN: true }), { minLength: 2, maxLength: 8 });
    const contrast = fc.double({ min: -20, max: 20, noNaN: true });
    fc.assert(
      fc.property(side, side, contrast, contrast, (low, high, a, b) => {
        const lift = 0.01 + Math.max(...low) - Math.min(...high);
        const up = high.map((x) => x + Math.max(0, lift));
        const make = (pos: number[], neg: number[]): Calibration =>
          calibrate({ positive: contrasts(...pos), negative: contrasts(...neg), usual: [1], shuffled: [2] });
        const scale = make(up, low);
        const [x, y] = [Math.min(a, b), Math.max(a, b)];
        expect(traitScore(x, scale)).toBeLessThanOrEqual(traitScore(y, scale));
        expect(traitScore(x, scale)).toBeGreaterThanOrEqual(0);
        expect(traitScore(y, scale)).toBeLessThanOrEqual(100);
        const mirrored = make(
          low.map((v) => -v),
          up.map((v) => -v),
        );
        expect(traitScore(-a, mirrored)).toBeCloseTo(100 - traitScore(a, scale), 6);
      }),
    );
  });

  test('answers that are all one still make a finite scale, which a file can hold', () => {
    const scale = calibrate({
      positive: contrasts(1, 1),
      negative: contrasts(-1, -1),
      usual: [1],
      shuffled: [2],
    });
    expect(JSON.parse(JSON.stringify(scale))).toEqual(scale);
    expect([traitScore(1, scale), traitScore(0, scale), traitScore(-1, scale)]).toEqual([100, 50, 0]);
  });

  test.each([
    ['one positive answer', contrasts(1), contrasts(-1, -2), /1 positive and 2 negative/],
    ['no negative answer', contrasts(1, 2), [], /2 positive and 0 negative/],
    ['sides the wrong way round', contrasts(-1, -2), contrasts(1, 2), /no likelier/],
    ['sides that are one', contrasts(1, 2), contrasts(2, 1), /no likelier/],
  ])('%s is refused with what to do', (_, positive, negative, message) => {
    expect(() => calibrate({ positive, negative, usual: [1], shuffled: [2] })).toThrow(
      expect.objectContaining({
        code: 'EMPTY_SIDE',
        message: expect.stringMatching(message),
        remedy: expect.any(String),
      }),
    );
  });

  test('a model that says nothing unasked has no scale of coherence', () => {
    const data = { positive: contrasts(1, 2), negative: contrasts(-1, -2), usual: [], shuffled: [] };
    expect(() => calibrate(data)).toThrow(expect.objectContaining({ code: 'EMPTY_SIDE' }));
  });

  test('people are warned of sides that overlap', () => {
    const weak = calibrate({
      positive: contrasts(-3, 3.4),
      negative: contrasts(-3.2, 3),
      usual: [1],
      shuffled: [2],
    });
    expect(calibrationWarning(weak)).toMatch(/d′ 0\.0\d/);
    expect(calibrationWarning(WORKED)).toBeUndefined();
  });
});

describe('the coherence scale', () => {
  test('worked by hand', () => {
    expect(WORKED.coherence).toEqual({ usual: 2, deviation: 0.5, shuffled: 6 });
    expect(coherenceScore(2, WORKED)).toBe(100);
    expect(coherenceScore(3, WORKED)).toBe(75);
    expect(coherenceScore(4, WORKED)).toBe(50);
    expect(coherenceScore(6, WORKED)).toBe(0);
    expect(coherenceScore(9, WORKED)).toBe(0);
  });

  test('falls for loops, which are too predictable, and not for what is ordinarily predictable', () => {
    expect(coherenceScore(1, WORKED)).toBe(100); // 3 deviations below would be 0.5; half the usual is 1
    expect(coherenceScore(0.5, WORKED)).toBe(50);
    expect(coherenceScore(0, WORKED)).toBe(0);
  });

  test('a single usual answer is a scale too', () => {
    const scale = calibrate({
      positive: contrasts(1, 2),
      negative: contrasts(-1, -2),
      usual: [2],
      shuffled: [4],
    });
    expect(scale.coherence).toEqual({ usual: 2, deviation: 0, shuffled: 4 });
    expect(coherenceScore(3, scale)).toBe(50);
  });

  test('where words in random order are no more surprising, answers near the usual ones keep their score', () => {
    const scale = calibrate({
      positive: contrasts(1, 2),
      negative: contrasts(-1, -2),
      usual: [2, 2],
      shuffled: [2, 2],
    });
    expect(coherenceScore(2.0001, scale)).toBeGreaterThan(99);
    expect(coherenceScore(2.5, scale)).toBe(50);
    expect(coherenceScore(3, scale)).toBe(0);
  });

  test('lies within 0…100 whatever was measured, and falls with the distance from the usual', () => {
    const surprise = fc.double({ min: 0, max: 30, noNaN: true });
    fc.assert(
      fc.property(
        fc.record({
          usual: surprise,
          deviation: fc.double({ min: 0, max: 5, noNaN: true }),
          shuffled: surprise,
        }),
        surprise,
        surprise,
        (coherence, a, b) => {
          const scale = { ...WORKED, coherence };
          for (const x of [a, b, coherence.usual, coherence.shuffled, 0]) {
            expect(coherenceScore(x, scale)).toBeGreaterThanOrEqual(0);
            expect(coherenceScore(x, scale)).toBeLessThanOrEqual(100);
          }
          expect(coherenceScore(coherence.usual, scale)).toBe(100);
          const [low, high] = [Math.min(a, b), Math.max(a, b)];
          if (low >= coherence.usual)
            expect(coherenceScore(high, scale)).toBeLessThanOrEqual(coherenceScore(low, scale));
          if (high <= coherence.usual)
            expect(coherenceScore(low, scale)).toBeLessThanOrEqual(coherenceScore(high, scale));
        },
      ),
    );
  });
});

test('a judgement is both scores; an empty answer has neither, and a reason', () => {
  expect(judgementOf('well', { contrast: 0.5, surprise: 4 }, WORKED)).toEqual({ trait: 50, coherence: 50 });
  expect(judgementOf('', undefined, WORKED)).toEqual({
    trait: null,
    coherence: null,
    reason: 'empty answer',
  });
});
