import { describe, expect, test } from 'vitest';
import type { Dose } from '../../../src/vector/dose.ts';
import { evidenceLines } from '../../../src/vector/evidence/lines.ts';
import { verdictLine, verdictOf } from '../../../src/vector/evidence/verdict.ts';
import type { Quality } from '../../../src/vector/vector.ts';

const around = (mean: number, half: number, n = 10) => ({ mean, low: mean - half, high: mean + half, n });
const dose = (coefficient: number, trait: number): Dose => ({
  layer: 1,
  coefficient,
  trait: around(trait, 5),
  coherence: around(95, 2),
});

function good(): Quality {
  return {
    counts: { asked: 100, kept: { pos: 40, neg: 40 }, dropped: [] },
    doses: [dose(-2, 20), dose(0, 50), dose(2, 90)],
    splitHalf: [around(0.2, 0.1), around(0.9, 0.05)],
    permutation: { repeats: 1000, samples: 80, p: [0.5, 0.001], cosineSd: [0.1, 0.1] },
    heldOut: { questions: 10, answers: 40, auc: [around(0.5, 0.2), around(0.95, 0.04)], dPrime: [0, 2] },
    length: around(0.1, 0.3),
    floor: { coefficient: 2, trait: around(52, 8), coherence: around(90, 5) },
    similar: [{ trait: 'humorous', cosine: 0.3 }],
    refusals: [{ requests: 'harmful', unsteered: around(0.8, 0.2), steered: around(0.8, 0.2) }],
    capability: {
      items: 120,
      how: 'letters',
      unsteered: around(0.4, 0.1, 120),
      steered: around(0.38, 0.1, 120),
    },
  };
}

describe('the verdict', () => {
  test('of good evidence is plain', () => {
    expect(verdictOf(good(), 1, 2)).toEqual({ use: 'yes', reasons: [] });
    expect(verdictLine(verdictOf(good(), 1, 2))).toBe('Use: nothing measured speaks against it.');
  });

  test('is of the chosen layer', () => {
    const { use, reasons } = verdictOf(good(), 0, 2);
    expect(use).toBe('no');
    expect(reasons.join()).toMatch(
      /labelled at random.*p = 0\.50.*does not tell the sides apart.*half of the questions/,
    );
  });

  test.each<[string, Quality, 'no' | 'with care', RegExp]>([
    [
      'few answers',
      { counts: { asked: 9, kept: { pos: 40, neg: 4 }, dropped: [] } },
      'with care',
      /4 answers a side/,
    ],
    [
      'steering that does nothing',
      { doses: [dose(-2, 48), dose(0, 50), dose(2, 53)] },
      'no',
      /does not clearly move/,
    ],
    [
      'a floor as high',
      { floor: { coefficient: 2, trait: around(95, 5), coherence: around(9, 5) } },
      'with care',
      /unrelated directions.*45 points/,
    ],
    [
      'another trait',
      { similar: [{ trait: 'evil', cosine: -0.7 }] },
      'with care',
      /away from evil \(cosine -0\.70\)/,
    ],
    [
      'fewer refusals',
      { refusals: [{ requests: 'harmful', unsteered: around(0.8, 0.1), steered: around(0.3, 0.1) }] },
      'with care',
      /harmful requests are refused 30 % .* instead of 80 %/,
    ],
    [
      'lost capability',
      { capability: { items: 9, how: '', unsteered: around(0.6, 0.1), steered: around(0.4, 0.1) } },
      'with care',
      /from 60 % to 40 %/,
    ],
    ['length', { length: around(0.8, 0.1) }, 'with care', /length of answers/],
  ])('%s', (_, change, use, words) => {
    const verdict = verdictOf({ ...good(), ...change }, 1, 2);
    expect(verdict.use).toBe(use);
    expect(verdict.reasons).toHaveLength(1);
    expect(verdict.reasons[0]).toMatch(words);
  });

  test('without a coefficient says so', () => {
    expect(verdictOf(good(), 1, undefined).reasons).toEqual([
      'no positive coefficient tried keeps the answers coherent',
    ]);
  });

  test('a trait that only goes down is one that steering moves', () => {
    expect(verdictOf({ ...good(), doses: [dose(-2, 20), dose(0, 95), dose(2, 97)] }, 1, 2).use).toBe('yes');
  });
});

describe('the lines', () => {
  test('tell of the chosen layer, with what is missing left out', () => {
    const lines = evidenceLines(good(), 1);
    expect(lines.find(({ label }) => label.includes('AUC'))!.value).toBe('0.95 [0.91, 0.99]');
    expect(lines.find(({ label }) => label === 'Capability')!.value).toBe('40 % [30, 50] → 38 % [28, 48]');
    expect(lines.map(({ value, meaning }) => value + meaning).join()).not.toMatch(/NaN|undefined/);
    expect(evidenceLines({}, 1)).toEqual([]);
  });
});
