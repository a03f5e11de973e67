/** What the report of an extraction gathers, and the examples that it has the model write. */

import { describe, expect, test } from 'vitest';
import type { Extraction } from '../../src/vector/extract.ts';
import { askExamples, layerRows, provenanceOf, reportOf } from '../../src/report/build.ts';
import { aVector } from '../support/a-vector.ts';
import { usePlanted } from '../support/planted-chat.ts';
import { plantedTrait } from '../support/planted-trait.ts';
import { TINY } from '../tiny/tiny-model.ts';

const chat = usePlanted();
const created = '2026-01-01T00:00:00.000Z';

describe('examples', () => {
  const questions = plantedTrait().evaluation.slice(0, 2);

  test('each question at −c, 0 and +c, every token with its distance from the usual', async () => {
    const directions = new Float32Array(TINY.layers * TINY.width);
    directions.set(chat.planted.direction, 2 * TINY.width); // of length 1: projections are along it
    const vector = aVector({ model: chat.model.identity, directions, coefficient: 1.5 });
    const told: string[] = [];
    const examples = await askExamples(chat.model, vector, {
      questions,
      maxTokens: 6,
      seed: 0,
      onExample: (done, total) => told.push(`${done}/${total}`),
    });
    expect(examples.map(({ question }) => question)).toEqual(questions);
    expect(told.at(-1)).toBe('6/6');
    for (const { question, answers } of examples) {
      expect(answers.map(({ coefficient }) => coefficient)).toEqual([-1.5, 0, 1.5]);
      for (const { coefficient, text, tokens, z } of answers) {
        expect(tokens.map((token) => token.text).join('')).toBe(text);
        const { projections } = await chat.model.engine.run({
          prompt: chat.model.render([{ role: 'user', content: question }]),
          answer: text,
          edits:
            coefficient === 0
              ? []
              : [{ op: 'add', layer: 2, direction: chat.planted.direction, coefficient }],
          projections: [{ name: 'v', layer: 2, direction: chat.planted.direction }],
        });
        const values = projections![0]!.tokens;
        const { mean, deviation, tokenDeviation } = vector.baseline!;
        for (const [i, value] of values.entries())
          expect(tokens[i]!.z).toBeCloseTo((value - mean[2]!) / tokenDeviation[2]!, 3);
        const average = values.reduce((sum, x) => sum + x, 0) / values.length;
        expect(z).toBeCloseTo((average - mean[2]!) / deviation[2]!, 3);
      }
      expect(answers[0]!.text).toMatch(/^N+$/);
      expect(answers[2]!.text).toMatch(/^P+$/);
    }
  });

  test('without a coefficient of its own the vector is tried at 1', async () => {
    const { coefficient: _, ...vector } = aVector({ model: chat.model.identity });
    const [example] = await askExamples(chat.model, vector, { questions: ['go on.'], maxTokens: 2, seed: 0 });
    expect(example!.answers.map(({ coefficient }) => coefficient)).toEqual([-1, 0, 1]);
  });
});

describe('the report', () => {
  const rollout = {
    id: '0_pos_0_0',
    side: 'pos' as const,
    question: 'q',
    questionIndex: 0,
    instructionIndex: 0,
    sample: 0,
    prompt: 'p',
    answer: 'a',
    tokens: 1,
    finishReason: 'stop',
  };
  const { coefficient: _, ...vector } = aVector({
    recipe: {
      created,
      trait: plantedTrait(),
      questions: 3,
      samples: 2,
      maxTokens: 9,
      temperature: 1,
      seed: 5,
      filter: { threshold: 50 },
      judge: { name: 'likelihood', pairs: 2 },
    },
    quality: { norms: [1, 2, 3, 4], separation: [null, 0.75, 1, 1] },
  });
  const extraction: Extraction = {
    vector,
    path: 'vector.gguf',
    counts: { asked: 2, kept: { pos: 1, neg: 0 }, dropped: [{ reason: 'no score', count: 1 }] },
    filtered: [
      { rollout, judgement: { trait: 90, coherence: 80 }, dropped: undefined },
      {
        rollout: { ...rollout, side: 'neg' },
        judgement: { trait: null, coherence: null },
        dropped: 'no score',
      },
    ],
    calibration: {
      trait: { midpoint: 0, slope: 1, dPrime: 2, auc: 0.875, rollouts: 2 },
      coherence: { usual: 1, deviation: 0, shuffled: 2 },
    },
    layerDoses: [],
    doses: [],
    why: 'because',
  };

  test('says what was kept, what fell and why, and which judge said so', () => {
    const report = reportOf(plantedTrait(), extraction, [], [['a', 'b']]);
    expect(report).toMatchObject({
      trait: 'evil',
      description: 'Writes P rather than N.',
      created,
      judge: 'likelihood (tiny itself; tells its own two sides apart with AUC 0.88)',
      chosen: { layer: 2, coefficient: 0, why: 'because' }, // 0: none is recommended
      counts: { asked: 2, kept: 1, dropped: [{ reason: 'no score', count: 1 }] },
      provenance: [['a', 'b']],
    });
    expect(report.rollouts).toEqual([
      { side: 'pos', question: 'q', answer: 'a', trait: 90, coherence: 80, kept: true },
      {
        side: 'neg',
        question: 'q',
        answer: 'a',
        trait: null,
        coherence: null,
        kept: false,
        reason: 'no score',
      },
    ]);
  });

  test('a layer is its norm, the stream’s, and how well it separates; 0.5 where that is not known', () => {
    expect(layerRows(vector)).toEqual([
      { layer: 0, norm: 1, residualNorm: 10, auc: 0.5 },
      { layer: 1, norm: 2, residualNorm: 20, auc: 0.75 },
      { layer: 2, norm: 3, residualNorm: 30, auc: 1 },
      { layer: 3, norm: 4, residualNorm: 40, auc: 1 },
    ]);
    expect(layerRows(aVector())).toEqual([]);
  });

  test('where it came from has the template, the counts and the command', () => {
    const provenance = new Map(provenanceOf(vector, 'runs/evil', 'persona extract evil'));
    expect(provenance.get('Chat template sha256')).toBe(vector.model.templateSha256);
    expect(provenance.get('Rollouts')).toBe(
      '3 questions × 5 instruction pairs × 2 sides × 2 answers of up to 9 tokens',
    );
    expect(provenance.get('Command')).toBe('persona extract evil');
    expect(provenance.get('Run folder')).toBe('runs/evil');
    expect([...provenance.values()].join()).not.toContain('undefined');
  });
});
