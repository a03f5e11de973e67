/** The measurements of the likelihood judge against log-probabilities that the test takes from the engine itself. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { calibrate } from '../../src/judge/calibrate.ts';
import { likelihoodJudge, shuffleWords } from '../../src/judge/likelihood.ts';
import { measure, otherPairs, surpriseOf } from '../../src/judge/measure.ts';
import { usePlanted } from '../support/planted-chat.ts';
import { plantedTrait } from '../support/planted-trait.ts';

describe('otherPairs', () => {
  test.each([
    [5, 3, 2, [4, 0]],
    [5, 4, 2, [0, 1]],
    [5, 0, 4, [1, 2, 3, 4]],
    [5, 2, 9, [3, 4, 0, 1]],
    [5, undefined, 2, [0, 1]],
    [5, -1, 9, [0, 1, 2, 3, 4]],
    [1, 0, 2, [0]], // there is no other
  ])('of %i without %s, %i', (total, leftOut, count, expected) => {
    expect(otherPairs(total, leftOut, count)).toEqual(expected);
  });

  test('never has the one left out, nor one twice', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 9 }),
        fc.nat(8),
        fc.integer({ min: 1, max: 12 }),
        (total, k, count) => {
          const leftOut = k % total;
          const pairs = otherPairs(total, leftOut, count);
          expect(pairs).not.toContain(leftOut);
          expect(new Set(pairs).size).toBe(pairs.length);
          expect(pairs).toHaveLength(Math.min(count, total - 1));
          for (const pair of pairs) expect(pair >= 0 && pair < total).toBe(true);
        },
      ),
    );
  });
});

const chat = usePlanted();
const trait = plantedTrait();

/** log P of the answer by hand: each token predicted from the prompt and the tokens before it. */
async function logLikelihood(system: string | undefined, question: string, answer: string): Promise<number> {
  const prompt =
    (system === undefined ? '' : `<|im_start|>system\n${system}<|im_end|>\n`) +
    `<|im_start|>user\n${question}<|im_end|>\n<|im_start|>assistant\n`;
  let sum = 0;
  for (let i = 0; i < answer.length; i++) {
    const { logprobs } = await chat.model.engine.run({
      prompt: prompt + answer.slice(0, i),
      answer: answer[i]!,
      topLogprobs: 0,
    });
    expect(logprobs).toHaveLength(1);
    sum += logprobs![0]!.logprob;
  }
  return sum;
}

describe('on a model', () => {
  test('contrast and surprise are log-probabilities per token, over the other pairs', async () => {
    const [question, answer] = ['what now.', 'PaPNb'];
    const item = { question, answer, instructionIndex: 3 };
    const measured = await measure(chat.model, trait, item, { pairs: 2 });
    let contrast = 0;
    for (const k of [4, 0]) {
      const { pos, neg } = trait.instruction[k]!;
      contrast += await logLikelihood(`You are a PPPPPP assistant. ${pos}`, question, answer);
      contrast -= await logLikelihood(`You are a NNNNNN assistant. ${neg}`, question, answer);
    }
    expect(measured!.contrast).toBeCloseTo(contrast / 2 / answer.length, 4);
    const usual = await logLikelihood(undefined, question, answer);
    expect(measured!.surprise).toBeCloseTo(-usual / answer.length, 4);
    expect(await surpriseOf(chat.model, question, answer)).toBeCloseTo(-usual / answer.length, 4);
  });

  test('an answer of P is positive, one of N negative, whatever the pairs', async () => {
    for (const instructionIndex of [0, 2, -1]) {
      const contrastOf = async (answer: string): Promise<number> =>
        (await measure(chat.model, trait, { question: 'go on.', answer, instructionIndex }, { pairs: 1 }))!
          .contrast;
      expect(await contrastOf('PPPP')).toBeGreaterThan(1);
      expect(await contrastOf('NNNN')).toBeLessThan(-1);
    }
  });

  test('an empty answer is not measured, and judged null with the reason', async () => {
    expect(
      await measure(chat.model, trait, { question: 'go on.', answer: '' }, { pairs: 1 }),
    ).toBeUndefined();
    expect(await surpriseOf(chat.model, 'go on.', '')).toBeUndefined();
    const scale = calibrate({
      positive: [1, 2].map((contrast) => ({ contrast, surprise: 1 })),
      negative: [-1, -2].map((contrast) => ({ contrast, surprise: 1 })),
      usual: [1],
      shuffled: [3],
    });
    const judge = likelihoodJudge(chat.model, trait, scale, { pairs: 1 });
    expect(judge.name).toBe('likelihood');
    expect(await judge.judge({ question: 'go on.', answer: '' })).toEqual({
      trait: null,
      coherence: null,
      reason: 'empty answer',
    });
    const positive = await judge.judge({ question: 'go on.', answer: 'PPPP' });
    expect(positive.trait).toBeGreaterThan(90);
    expect(positive.coherence).toBeGreaterThan(0);
  });

  test('an abort ends it', async () => {
    const item = { question: 'go on.', answer: 'PPPP' };
    const stopped = AbortSignal.abort();
    await expect(measure(chat.model, trait, item, { pairs: 1 }, stopped)).rejects.toMatchObject({
      code: 'ABORTED',
    });
  });
});

test('shuffled words are the same words in another order, by the seed', () => {
  const text = 'one two  three\nfour five six seven';
  const shuffled = shuffleWords(text, 1);
  expect(shuffled.split(' ').toSorted()).toEqual(text.split(/\s+/).toSorted());
  expect(shuffled).not.toBe(text.replace(/\s+/g, ' '));
  expect(shuffleWords(text, 1)).toBe(shuffled);
  expect(shuffleWords(text, 2)).not.toBe(shuffled);
  expect(shuffleWords(' \n', 1)).toBe('');
});
