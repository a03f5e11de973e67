import fc from 'fast-check';
import { expect, test } from 'vitest';
import { COHERENCE_RUBRIC, fillRubric, rubricId } from '../../src/judge/rubric.ts';
import { listTraits, loadTrait } from '../../src/trait/load.ts';
import { plantedTrait } from '../support/planted-trait.ts';

test('slots are filled once, and what is filled in is not looked at', () => {
  const item = { question: "{answer} $& $1 {x} $'", answer: '{question} {answer} }{ $$' };
  expect(fillRubric('Q: {question}\nA: {answer}', item)).toBe(
    "Q: {answer} $& $1 {x} $'\nA: {question} {answer} }{ $$",
  );
  expect(fillRubric('{answer} {answer}', { question: 'q', answer: 'a' })).toBe('a {answer}');
});

test('whatever is asked and answered stands in the prompt as it is', () => {
  const text = fc.string({
    unit: fc.constantFrom('{', '}', 'answer', 'question', '$', '&', '`', "'", '\\', 'x', ' '),
  });
  fc.assert(
    fc.property(text, text, (question, answer) => {
      expect(fillRubric('<{question}|{answer}>', { question, answer })).toBe(`<${question}|${answer}>`);
    }),
  );
});

test('the rubric for coherence has the marks of the traits rubrics', async () => {
  const marks = (text: string) => text.match(/\[[A-Z]+ (START|END)\]|\{\w+\}/g);
  for (const name of await listTraits())
    expect(marks(COHERENCE_RUBRIC)).toEqual(marks((await loadTrait(name)).eval_prompt));
});

test('another rubric has another name', () => {
  const trait = plantedTrait();
  expect(rubricId(trait)).toMatch(/^planted [0-9a-f]{8}$/);
  expect(rubricId({ ...trait, eval_prompt: `${trait.eval_prompt} ` })).not.toBe(rubricId(trait));
  expect(rubricId({ ...trait, questions: [] })).toBe(rubricId(trait));
});
