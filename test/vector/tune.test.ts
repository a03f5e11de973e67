/** Steering with answers scored by a judge of the test's own, which counts what it is asked. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Calibration } from '../../src/judge/calibrate.ts';
import type { Judge } from '../../src/judge/judge.ts';
import { measureBaseline } from '../../src/vector/baseline.ts';
import { calibrationOf } from '../../src/vector/calibration-of.ts';
import type { SteeredAnswer } from '../../src/vector/dose.ts';
import { addAt, planSweep } from '../../src/vector/sweep.ts';
import { checkLayers, runGrid, tune, type TuneContext } from '../../src/vector/tune.ts';
import { aVector } from '../support/a-vector.ts';
import { folder } from '../support/folder.ts';
import { usePlanted } from '../support/planted-chat.ts';
import { plantedTrait } from '../support/planted-trait.ts';
import { TINY } from '../tiny/tiny-model.ts';

const chat = usePlanted();
const trait = plantedTrait();

const CONTEXT = { maxTokens: 16, temperature: 1, seed: 0 };

/** The planted direction at every layer, at a length whose doses of ±1 are felt. */
function directions(): Float32Array {
  const out = new Float32Array(TINY.layers * TINY.width);
  for (let b = 0; b < TINY.layers; b++)
    out.set(
      chat.planted.direction.map((x) => 2 * x),
      b * TINY.width,
    );
  return out;
}

/** Share of P among P and N, 50 for neither; every answer coherent, unless `coherence` says otherwise. */
function countingJudge(coherence: (answer: string) => number = () => 100): Judge & { judged: string[] } {
  const judged: string[] = [];
  return {
    name: 'counting',
    judged,
    judge({ answer }) {
      judged.push(answer);
      const [p, n] = ['P', 'N'].map((letter) => answer.split(letter).length - 1) as [number, number];
      return Promise.resolve(
        answer === ''
          ? { trait: null, coherence: null, reason: 'empty answer' }
          : { trait: p + n === 0 ? 50 : (100 * p) / (p + n), coherence: coherence(answer) },
      );
    },
  };
}

function lines(path: string): SteeredAnswer[] {
  return readFileSync(path, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as SteeredAnswer);
}

const QUESTIONS = trait.questions.slice(0, 3).map((question, questionIndex) => ({ question, questionIndex }));

describe('a grid', () => {
  test('is answered in its order; what the file holds is neither asked nor judged again', async () => {
    const path = join(folder(), 'sweep.jsonl');
    const cells = planSweep([1, 2], [-1, 0, 1], QUESTIONS, 2);
    const [first, second] = [countingJudge(), countingJudge()];
    const half = await runGrid(
      chat.model,
      addAt(directions(), TINY.width),
      [first],
      path,
      'x',
      cells.slice(0, 13),
      CONTEXT,
    );
    const whole = await runGrid(
      chat.model,
      addAt(directions(), TINY.width),
      [second],
      path,
      'x',
      cells,
      CONTEXT,
    );
    expect(
      whole.map(({ layer, coefficient, questionIndex, sample }) => ({
        layer,
        coefficient,
        questionIndex,
        sample,
      })),
    ).toEqual(
      cells.map(({ layer, coefficient, questionIndex, sample }) => ({
        layer,
        coefficient,
        questionIndex,
        sample,
      })),
    );
    expect(whole.slice(0, 13)).toEqual(half);
    expect([first.judged.length, second.judged.length]).toEqual([13, cells.length - 13]);
    expect(lines(path)).toHaveLength(cells.length);

    const anew = await runGrid(
      chat.model,
      addAt(directions(), TINY.width),
      [countingJudge()],
      join(folder(), 'b.jsonl'),
      'x',
      cells,
      CONTEXT,
    );
    expect(anew).toEqual(whole);
  });

  test('an unsteered answer that is there serves every layer, and is called by the layer asked for', async () => {
    const path = join(folder(), 'sweep.jsonl');
    const judge = countingJudge();
    await runGrid(
      chat.model,
      addAt(directions(), TINY.width),
      [judge],
      path,
      'x',
      planSweep([1], [0], QUESTIONS, 1),
      CONTEXT,
    );
    const there = await runGrid(
      chat.model,
      addAt(directions(), TINY.width),
      [judge],
      path,
      'x',
      planSweep([3], [0], QUESTIONS, 1),
      CONTEXT,
    );
    expect(there.map(({ layer }) => layer)).toEqual([3, 3, 3]);
    expect(judge.judged).toHaveLength(3);
  });

  test('settings differ by the steering alone: coefficient 0 writes what the model says by itself', async () => {
    const path = join(folder(), 'sweep.jsonl');
    const cells = planSweep([1], [-1, 0, 1], QUESTIONS.slice(0, 1), 1);
    const [down, none, up] = await runGrid(
      chat.model,
      addAt(directions(), TINY.width),
      [countingJudge()],
      path,
      'x',
      cells,
      CONTEXT,
    );
    const by = await chat.model.engine.run({
      prompt: chat.model.render([{ role: 'user', content: QUESTIONS[0]!.question }]),
      maxTokens: CONTEXT.maxTokens,
      sampling: { temperature: 1, seed: 0 },
    });
    expect(none!.answer).toBe(by.text);
    expect(down!.answer).toMatch(/N.*N/);
    expect(up!.answer).toMatch(/P.*P/);
  });
});

describe('tuning', () => {
  const context: TuneContext = {
    ...CONTEXT,
    layers: [0, 2],
    layerDose: 1,
    layerQuestions: 2,
    coefficients: [-1, 0.5, 1],
    questions: 3,
    samples: 2,
    judgePairs: 1,
  };

  test('compares layers at two doses, then coefficients at the chosen one, unsteered always among them', async () => {
    const path = join(folder(), 'sweep.jsonl');
    const judge = countingJudge();
    const tuned = await tune(chat.model, trait, directions(), [judge], path, context);
    expect(tuned.layerDoses.map(({ layer, coefficient }) => [layer, coefficient])).toEqual([
      [0, -1],
      [0, 1],
      [2, -1],
      [2, 1],
    ]);
    expect(tuned.doses.map(({ layer, coefficient }) => [layer, coefficient])).toEqual(
      [-1, 0, 0.5, 1].map((coefficient) => [tuned.layer, coefficient]),
    );
    expect(tuned.coefficient).toBe(1);
    // layers: 2 questions × 2 samples at 5 settings. Then a third question at three of those, and three at 0.5.
    expect(judge.judged).toHaveLength(4 * 5 + 2 * 3 + 6);
    expect(lines(path)).toHaveLength(judge.judged.length);
  });

  test('the coefficient is the largest that keeps the answers coherent, or none', async () => {
    const letters = (answer: string): number => answer.split('P').length - 1;
    const tuned = await tune(
      chat.model,
      trait,
      directions(),
      [countingJudge((answer) => (letters(answer) > 3 ? 0 : 100))],
      join(folder(), 'sweep.jsonl'),
      { ...context, layers: [2], coefficients: [0.25, 1, 3] },
    );
    const coherent = tuned.doses.filter(
      ({ coherence }) => coherence.mean >= 0.75 * tuned.doses[0]!.coherence.mean,
    );
    expect(tuned.doses[0]!.coefficient).toBe(0);
    expect(tuned.doses.at(-1)!.coherence.mean).toBeLessThan(20);
    expect(tuned.coefficient).toBe(coherent.at(-1)!.coefficient || undefined);
  });
});

test('layers are checked by the model', () => {
  expect(() => checkLayers([0, 3], chat.model)).not.toThrow();
  for (const layers of [[4], [-1], []])
    expect(() => checkLayers(layers, chat.model), String(layers)).toThrow(
      expect.objectContaining({ code: 'USAGE' }),
    );
});

describe('the baseline', () => {
  const prompt = '<|im_start|>user\ngo on.<|im_end|>\n<|im_start|>assistant\n';

  test('is mean and spread of answers, and the spread of their tokens', async () => {
    const baseline = await measureBaseline(chat.model, directions(), [
      { prompt, answer: 'PP' },
      { prompt, answer: '' },
      { prompt, answer: 'NaN' },
    ]);
    const read = async (answer: string): Promise<number[]> => {
      const projections = [{ name: 'v', layer: 2, direction: chat.planted.direction }];
      return (await chat.model.engine.run({ prompt, answer, projections })).projections![0]!.tokens;
    };
    const [up, down] = [await read('PP'), await read('NaN')];
    const mean = (values: number[]): number => values.reduce((sum, x) => sum + x, 0) / values.length;
    const spread = (values: number[]): number =>
      Math.sqrt(values.reduce((sum, x) => sum + (x - mean(values)) ** 2, 0) / (values.length - 1));
    expect(baseline!.answers).toBe(2);
    expect(baseline!.mean[2]).toBeCloseTo((mean(up) + mean(down)) / 2, 4);
    expect(baseline!.deviation[2]).toBeCloseTo(spread([mean(up), mean(down)]), 4);
    expect(baseline!.tokenDeviation[2]).toBeCloseTo(spread([...up, ...down]), 4);
    expect(baseline!.mean).toHaveLength(TINY.layers);
  });

  test('of one answer has no spread, of none is none', async () => {
    const one = await measureBaseline(chat.model, directions(), [{ prompt, answer: 'P' }]);
    expect([...one!.deviation, ...one!.tokenDeviation]).toEqual(Array(8).fill(0));
    expect(await measureBaseline(chat.model, directions(), [{ prompt, answer: '' }])).toBeUndefined();
  });
});

describe('the scale for a sweep', () => {
  const stored: Calibration = {
    trait: { midpoint: 7, slope: 1, dPrime: 1, auc: 1, rollouts: 4 },
    coherence: { usual: 1, deviation: 0, shuffled: 2 },
  };
  const created = '2026-01-01T00:00:00.000Z';

  test('is the vector’s own, on its model and trait', async () => {
    const vector = aVector({ model: chat.model.identity, recipe: { created, trait, calibration: stored } });
    const run = folder();
    expect(await calibrationOf(chat.model, plantedTrait(), vector, { run, maxTokens: 8, seed: 0 })).toBe(
      stored,
    );
  });

  test('is learned for another trait, for other weights, and where there is none; once for a folder', async () => {
    const run = folder();
    const other = { ...plantedTrait(), questions: plantedTrait().evaluation };
    const learned = [];
    for (const recipe of [{ created }, { created, trait: other, calibration: stored }]) {
      const vector = aVector({ model: chat.model.identity, recipe });
      learned.push(await calibrationOf(chat.model, trait, vector, { run, maxTokens: 8, seed: 0 }));
    }
    const elsewhere = aVector({ recipe: { created, trait, calibration: stored } });
    learned.push(await calibrationOf(chat.model, trait, elsewhere, { run, maxTokens: 8, seed: 0 }));
    expect(learned[0]!.trait.auc).toBe(1);
    expect(learned[0]!.trait.midpoint).not.toBe(7);
    expect(learned).toEqual([learned[0], learned[0], learned[0]]);
  });
});
