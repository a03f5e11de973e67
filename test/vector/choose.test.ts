import { describe, expect, test } from 'vitest';
import { chooseCoefficient, chooseLayer, usualLayers } from '../../src/vector/choose.ts';
import { type Dose, type SteeredAnswer, summarise } from '../../src/vector/dose.ts';

function dose(layer: number, coefficient: number, trait: number, coherence: number): Dose {
  const estimate = (mean: number): Dose['trait'] => ({ mean, low: mean, high: mean, n: 10 });
  return { layer, coefficient, trait: estimate(trait), coherence: estimate(coherence) };
}

const UNSTEERED = dose(0, 0, 50, 80);

describe('the layer', () => {
  test('is the one that doses move most', () => {
    const doses = [
      dose(1, -2, 40, 80),
      dose(1, 2, 60, 80),
      dose(2, -2, 30, 70),
      dose(2, 2, 80, 75),
      dose(3, -2, 45, 80),
      dose(3, 2, 90, 80),
    ];
    const { layer, why } = chooseLayer(doses, UNSTEERED);
    expect(layer).toBe(2);
    expect(why).toBe(
      'doses -2 and 2 move the trait by 50 points there, the most of the 3 layers tried, with 88 % of the unsteered coherence',
    );
  });

  test('a trait near the ceiling is moved downward', () => {
    const doses = [dose(1, -2, 90, 80), dose(1, 2, 97, 80), dose(2, -2, 20, 80), dose(2, 2, 96, 80)];
    expect(chooseLayer(doses, dose(1, 0, 95, 80)).layer).toBe(2);
  });

  test('is never one where either dose breaks the answers, while another is whole', () => {
    const doses = [
      dose(1, -2, 0, 59.9),
      dose(1, 2, 100, 80),
      dose(2, -2, 48, 60),
      dose(2, 2, 52, 80),
      dose(3, -2, 0, 80),
      dose(3, 2, 100, 59.9),
    ];
    expect(chooseLayer(doses, UNSTEERED).layer).toBe(2); // 60 is three quarters of 80
  });

  test('with none whole, is the one with the most coherence, and that is said', () => {
    const doses = [dose(1, -2, 0, 20), dose(1, 2, 100, 70), dose(2, -2, 45, 40), dose(2, 2, 55, 50)];
    const { layer, why } = chooseLayer(doses, UNSTEERED);
    expect(layer).toBe(2);
    expect(why).toMatch(/^no layer tried keeps 75 % .* doses -2 and 2; this one keeps the most, 50 %$/);
  });

  test('of several doses, the largest that leaves some layer whole decides', () => {
    const doses = [
      dose(1, -3, 0, 10),
      dose(1, 3, 100, 10),
      dose(2, -3, 0, 20),
      dose(2, 3, 100, 20),
      dose(1, -2, 45, 75),
      dose(1, 2, 65, 75),
      dose(2, -2, 20, 50),
      dose(2, 2, 90, 50),
      dose(1, -1, 49, 80),
      dose(1, 1, 51, 80),
      dose(2, -1, 40, 80),
      dose(2, 1, 60, 80),
    ];
    const { layer, why } = chooseLayer(doses, UNSTEERED);
    expect(layer).toBe(1);
    expect(why).toMatch(/^doses -2 and 2 /);
  });

  test('doses of one sign are compared with unsteered answers', () => {
    const { layer, why } = chooseLayer(
      [dose(1, 2, 60, 80), dose(2, 2, 85, 80), dose(3, 2, 70, 80)],
      UNSTEERED,
    );
    expect(layer).toBe(2);
    expect(why).toMatch(/^doses 0 and 2 move the trait by 35 points/);
    expect(chooseLayer([dose(1, -1, 45, 80), dose(2, -1, 10, 80)], UNSTEERED).layer).toBe(2);
  });

  test('a layer whose answers have no score is passed over', () => {
    const doses = [dose(1, -2, NaN, 0), dose(1, 2, 100, 80), dose(2, -2, 40, 80), dose(2, 2, 60, 80)];
    expect(chooseLayer(doses, UNSTEERED).layer).toBe(2);
  });

  test('with no score at all there is none to choose, which is said with what to do', () => {
    expect(() => chooseLayer([dose(1, -2, NaN, 0), dose(1, 2, NaN, 0)], UNSTEERED)).toThrow(
      expect.objectContaining({ code: 'EMPTY_SIDE', remedy: expect.stringContaining('--layer-dose') }),
    );
  });

  test('unsteered answers without coherence have none to lose', () => {
    const doses = [dose(1, -2, 40, 0), dose(1, 2, 60, 0), dose(2, -2, 30, 0), dose(2, 2, 70, 0)];
    expect(chooseLayer(doses, dose(1, 0, 50, 0)).layer).toBe(2);
  });
});

describe('the coefficient', () => {
  const grid = (...coherences: [number, number][]): Dose[] =>
    coherences.map(([coefficient, coherence]) => dose(1, coefficient, 50, coherence));

  test('is the largest positive one up to which coherence stays', () => {
    expect(chooseCoefficient(grid([-2, 10], [0, 80], [1, 79], [2, 60], [3, 59.9]))).toBe(2);
    expect(chooseCoefficient(grid([3, 61], [1, 79], [0, 80], [2, 65]))).toBe(3); // whatever the order
  });

  test('a coherent dose beyond an incoherent one is not trusted', () => {
    expect(chooseCoefficient(grid([0, 80], [1, 70], [2, 20], [3, 80]))).toBe(1);
  });

  test('is none when the first breaks the answers, or none is positive', () => {
    expect(chooseCoefficient(grid([0, 80], [0.5, 59]))).toBeUndefined();
    expect(chooseCoefficient(grid([-1, 80], [0, 80]))).toBeUndefined();
  });

  test('without an unsteered dose the bar is that of whole coherence', () => {
    expect(chooseCoefficient(grid([1, 75], [2, 74]))).toBe(1);
  });
});

describe('usual layers', () => {
  test('every second of the middle, of 30', () => {
    expect(usualLayers(30)).toEqual([9, 11, 13, 15, 17, 19, 21]);
  });

  test('are some, in the model, for every depth', () => {
    for (let layers = 1; layers <= 130; layers++) {
      const usual = usualLayers(layers);
      expect(usual.length, String(layers)).toBeGreaterThan(0);
      expect(usual.length, String(layers)).toBeLessThanOrEqual(9);
      expect(usual.every((b) => Number.isInteger(b) && b >= 0 && b < layers)).toBe(true);
      expect(new Set(usual).size).toBe(usual.length);
    }
  });
});

describe('doses', () => {
  const answer = (
    layer: number,
    coefficient: number,
    trait: number | null,
    coherence: number | null,
  ): SteeredAnswer => ({
    layer,
    coefficient,
    question: 'q',
    questionIndex: 0,
    sample: 0,
    answer: 'a',
    trait,
    coherence,
  });

  test('are the same to the last bit in whatever order the answers came: a resumed run chooses the same layer', () => {
    const answers = [0.1, 0.2, 0.3, 94.535, 4.25].flatMap((score, questionIndex) =>
      [0, 1].map((sample) => ({ ...answer(1, 1, score + sample / 3, 90 - score), questionIndex, sample })),
    );
    expect(summarise(answers.toReversed())).toEqual(summarise(answers));
    expect(summarise([...answers.slice(3), ...answers.slice(0, 3)])).toEqual(summarise(answers));
  });

  test('are means by layer and coefficient, in order', () => {
    const doses = summarise([
      answer(2, 1, 80, 60),
      answer(1, 1, 10, 90),
      answer(2, -1, 5, 50),
      answer(2, 1, 60, 80),
    ]);
    expect(doses.map(({ layer, coefficient }) => [layer, coefficient])).toEqual([
      [1, 1],
      [2, -1],
      [2, 1],
    ]);
    expect(doses[2]).toMatchObject({ trait: { mean: 70, n: 2 }, coherence: { mean: 70, n: 2 } });
    expect(doses[2]!.trait.low).toBe(60);
    expect(doses[2]!.trait.high).toBe(80);
  });

  test('an answer without a score is incoherent, and says nothing of the trait', () => {
    const [only] = summarise([answer(1, 1, null, null), answer(1, 1, 80, 90)]);
    expect(only).toMatchObject({ trait: { mean: 80, n: 1 }, coherence: { mean: 45, n: 2 } });
    expect(summarise([answer(1, 1, null, null)])[0]!.trait).toMatchObject({ mean: NaN, n: 0 });
  });
});
