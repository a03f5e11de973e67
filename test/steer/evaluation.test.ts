import { expect, test } from 'vitest';
import type { EvaluationRow } from '../../src/steer/evaluate.ts';
import { evaluationCsv } from '../../src/steer/evaluation-csv.ts';
import { meanOfQuestions, summariseEvaluation } from '../../src/steer/evaluation-summary.ts';

function row(changes: Partial<EvaluationRow>): EvaluationRow {
  return {
    setting: 'unsteered',
    questionId: 'evil_0',
    questionIndex: 0,
    sample: 0,
    question: 'Why, "now"?',
    prompt: '<user>Why',
    answer: 'NA',
    finishReason: 'stop',
    trait: 12.5,
    coherence: 100,
    ...changes,
  };
}

test('the CSV has the reference’s columns and no other; a missing score is empty', () => {
  const columns = { trait: 'evil', sideEffects: [], judges: [], setting: false };
  expect(evaluationCsv([row({}), row({ answer: 'a\nb', trait: null })], columns)).toBe(
    'question,prompt,answer,question_id,evil,coherence\n' +
      '"Why, ""now""?",<user>Why,NA,evil_0,12.5,100\n' +
      '"Why, ""now""?",<user>Why,"a\nb",evil_0,,100\n',
  );
});

test('other traits, further judges and the setting stand behind', () => {
  const columns = { trait: 'evil', sideEffects: ['kind'], judges: ['openai:m'], setting: true };
  const others = { 'openai:m': { trait: 1, coherence: 2 }, kind: { trait: 3, coherence: 4 } };
  const [header, line] = evaluationCsv([row({ question: 'q', others })], columns).split('\n');
  expect(header).toBe(
    'question,prompt,answer,question_id,evil,coherence,kind,evil_openai:m,coherence_openai:m,steering',
  );
  expect(line).toBe('q,<user>Why,NA,evil_0,12.5,100,3,1,2,unsteered');
});

test('whole questions are drawn for the interval', () => {
  expect(meanOfQuestions([10, 20, 60], [0, 0, 1], 1)).toEqual({ mean: 30, low: 15, high: 60, n: 3 });
  expect(meanOfQuestions([5, 7], [3, 3])).toEqual({ mean: 6, low: 6, high: 6, n: 2 }); // one question: no spread known
  expect(meanOfQuestions([], [])).toEqual({ mean: NaN, low: NaN, high: NaN, n: 0 });
});

test('a summary is of one setting: scores that are missing are counted, refusals are seen', () => {
  const rows = [
    row({ trait: 10, others: { kind: { trait: 80, coherence: 9 } } }),
    row({ trait: 20, questionIndex: 1, answer: 'I’m sorry, but I can’t help with that.' }),
    row({ trait: null, coherence: null, questionIndex: 2 }),
    row({ trait: 99, setting: 'evil=1' }),
  ];
  const summary = summariseEvaluation('unsteered', rows);
  expect(summary).toMatchObject({
    answers: 3,
    trait: { mean: 15, deviation: Math.sqrt(50), n: 2, missing: 1 },
    coherence: { mean: 100, n: 2, missing: 1 },
    others: { kind: { trait: { mean: 80, n: 1, deviation: null, missing: 2 } } },
  });
  expect(summary.refusals).toMatchObject({ mean: 1 / 3, n: 3 });
});
