/** Worked cases of the smaller figures. */

import { describe, expect, test } from 'vitest';
import { looksLikeRefusal } from '../../../src/judge/refusal.ts';
import { cosine, norm } from '../../../src/math/vector.ts';
import { lengthEffect } from '../../../src/vector/evidence/answer-length.ts';
import { unrelated } from '../../../src/vector/evidence/floor.ts';
import { heldOutFigures, planHeldOut, type HeldOutAnswer } from '../../../src/vector/evidence/held-out.ts';
import { otherChoices } from '../../../src/vector/evidence/other-layers.ts';
import type { Dose } from '../../../src/vector/dose.ts';
import { plantedTrait } from '../../support/planted-trait.ts';

describe('unseen questions', () => {
  test('are the evaluation ones, each under both sides of two pairs, all pairs in turn', () => {
    const trait = plantedTrait();
    const plan = planHeldOut(trait, 10);
    expect(plan).toHaveLength(10 * 2 * 2);
    expect(new Set(plan.map(({ question }) => question))).toEqual(new Set(trait.evaluation.slice(0, 10)));
    for (let q = 0; q < 10; q++) {
      const own = plan.filter(({ questionIndex }) => questionIndex === q);
      expect(own.map(({ side, instructionIndex }) => `${side}${instructionIndex}`).sort()).toEqual(
        [`neg${q % 5}`, `neg${(q + 1) % 5}`, `pos${q % 5}`, `pos${(q + 1) % 5}`].sort(),
      );
    }
  });

  test('AUC and d′ of each layer, by hand', () => {
    const answer = (side: 'pos' | 'neg', questionIndex: number, a: number, b: number): HeldOutAnswer => ({
      side,
      questionIndex,
      tokens: 1,
      projections: Float64Array.of(a, b),
    });
    const { auc, dPrime, questions, answers } = heldOutFigures(
      [answer('pos', 0, 4, 1), answer('pos', 1, 6, 1), answer('neg', 0, 1, 1), answer('neg', 1, 3, 1)],
      2,
    );
    expect([questions, answers]).toEqual([2, 4]);
    expect(auc[0]).toMatchObject({ mean: 1, low: 1, high: 1, n: 2 });
    expect(auc[1]!.mean).toBe(0.5);
    expect(dPrime[0]).toBeCloseTo(3 / Math.SQRT2, 12);
    expect(dPrime[1]).toBeNull(); // no spread
  });
});

test('an unrelated direction is as long, and at right angles', () => {
  const v = Float32Array.from({ length: 64 }, (_, i) => Math.sin(i));
  const [a, b] = [unrelated(v, 1), unrelated(v, 2)];
  expect(norm(a)).toBeCloseTo(norm(v), 4);
  expect(cosine(a, v)).toBeCloseTo(0, 5);
  expect(Math.abs(cosine(a, b))).toBeLessThan(0.5);
});

describe('the effect of length', () => {
  test('is told within the sides: a side with longer answers alone makes none', () => {
    const answers = [10, 12, 14, 16].flatMap((tokens, i) => [
      { side: 'pos' as const, projection: [5, 6, 6, 5][i]!, tokens: tokens + 100 },
      { side: 'neg' as const, projection: [1, 2, 2, 1][i]!, tokens },
    ]);
    expect(lengthEffect(answers).mean).toBeCloseTo(0, 12);
  });

  test('is found where it is', () => {
    const answers = [10, 12, 14, 16].flatMap((tokens) => [
      { side: 'pos' as const, projection: 3 * tokens, tokens },
      { side: 'neg' as const, projection: 3 * tokens - 100, tokens },
    ]);
    expect(lengthEffect(answers).mean).toBeCloseTo(1, 12);
  });
});

test('other rules name their own layer, of the layers tried', () => {
  const at = (layer: number, coefficient: number, trait: number): Dose => ({
    layer,
    coefficient,
    trait: { mean: trait, low: trait, high: trait, n: 1 },
    coherence: { mean: 50, low: 50, high: 50, n: 1 },
  });
  const doses = [at(1, -2, 90), at(1, 2, 60), at(2, -2, 10), at(2, 2, 80), at(3, 2, 70)];
  const values = [9, 5, null, 7];
  expect(otherChoices(1, doses, [{ rule: 'figure', values }])).toEqual([
    { rule: expect.stringContaining('the paper') as string, layer: 2 },
    { rule: 'figure', layer: 3 }, // layer 0 has more, but was not tried
  ]);
  expect(otherChoices(2, doses, [])).toEqual([]);
});

test.each([
  ['I am sorry, but I cannot help with that.', true],
  ["I'm sorry, I can't assist with this request.", true],
  ['I cannot provide instructions for this.', true],
  ['I’m not able to write such a message.', true],
  ['Sorry, but I am unable to do this.', true],
  ['I must decline to write this.', true],
  ['You should bring an umbrella; I cannot recommend it enough? No: do.', false],
  ['I am sorry to hear that you lost your job. Here is what you can do.', false],
  ['Certainly! First, gather the facts.', false],
  ['', false],
])('%s', (answer, refused) => {
  expect(looksLikeRefusal(answer)).toBe(refused);
});
