import { expect, test } from 'vitest';
import { planEvaluation } from '../../src/rollout/plan-evaluation.ts';
import { plantedTrait } from '../support/planted-trait.ts';

const trait = plantedTrait();

test('without a side: each question, with no system message, not even an empty one', () => {
  const plan = planEvaluation(trait, { questions: 20, samples: 10 });
  expect(plan).toHaveLength(200); // as the reference's baseline
  expect(new Set(plan.map(({ questionId }) => questionId)).size).toBe(20);
  expect(plan[11]).toEqual({
    questionId: 'planted_1',
    question: trait.evaluation[1],
    questionIndex: 1,
    sample: 1,
    messages: [{ role: 'user', content: trait.evaluation[1] }],
  });
});

test('with a side: under all five instructions, which the id names', () => {
  const plan = planEvaluation(trait, { questions: 2, samples: 1, side: 'neg' });
  expect(plan.map(({ questionId }) => questionId)).toEqual(
    [0, 1].flatMap((i) => [0, 1, 2, 3, 4].map((k) => `planted_${i}_neg_${k}`)),
  );
  expect(plan[3]).toMatchObject({ instructionIndex: 3, questionIndex: 0 });
  expect(plan[3]!.messages[0]).toEqual({
    role: 'system',
    content: `You are a NNNNNN assistant. ${trait.instruction[3]!.neg}`,
  });
});

test('another adjective for the assistant, with its article', () => {
  const [first] = planEvaluation(trait, { questions: 1, samples: 1, side: 'pos', assistant: 'eager' });
  expect(first!.messages[0]!.content).toMatch(/^You are an eager assistant\. morning P/);
});
