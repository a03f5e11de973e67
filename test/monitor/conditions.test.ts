import { expect, test } from 'vitest';
import { messagesOf, shotConditions, systemConditions } from '../../src/monitor/conditions.ts';
import { bestExchanges, wholeSentences } from '../../src/monitor/shots.ts';
import { plantedTrait } from '../support/planted-trait.ts';

test('graded prompts stand between the poles of the first pair', () => {
  const graded = ['1', '2', '3', '4', '5', '6'];
  const { conditions, note } = systemConditions({ ...plantedTrait(), graded });
  expect(note).toBeUndefined();
  expect(conditions.map(({ id }) => id)).toEqual([1, 2, 3, 4, 5, 6, 7, 8].map((i) => `system-${i}`));
  expect(conditions.map(({ system }) => system!.slice(0, 16))).toEqual(['You are a NNNNNN', ...graded, 'You are a PPPPPP']); // prettier-ignore
  expect([conditions[0]!.label, conditions[3]!.label, conditions[7]!.label]).toEqual([
    'system prompt 1 of 8, suppressing',
    'system prompt 4 of 8',
    'system prompt 8 of 8, promoting',
  ]);
});

test('a trait without them has the poles of its five pairs, which is said', () => {
  const { conditions, note } = systemConditions(plantedTrait());
  expect(conditions.map(({ id }) => id)).toEqual(['neg-1', 'neg-2', 'neg-3', 'neg-4', 'neg-5', 'pos-1', 'pos-2', 'pos-3', 'pos-4', 'pos-5']); // prettier-ignore
  expect(note).toMatch(/^planted has no system prompts between its poles/);
});

test('earlier exchanges are turns of the conversation, without an instruction', () => {
  const exchanges = [{ question: 'a', answer: 'A' }, { question: 'b', answer: 'B' }]; // prettier-ignore
  const [none, two] = shotConditions(exchanges, [0, 2]);
  expect(messagesOf(none!, 'q')).toEqual([{ role: 'user', content: 'q' }]);
  expect(messagesOf(two!, 'q')).toEqual([
    { role: 'user', content: 'a' },
    { role: 'assistant', content: 'A' },
    { role: 'user', content: 'b' },
    { role: 'assistant', content: 'B' },
    { role: 'user', content: 'q' },
  ]);
});

test('of each question the best answer, the highest scores first; no score and no answer are none', () => {
  const candidate = (question: string, answer: string, trait: number | null) => ({ question, answer, trait });
  expect(
    bestExchanges([
      candidate('a', 'a1', 20),
      candidate('a', 'a2', 60),
      candidate('b', 'b1', 90),
      candidate('b', '', 95),
      candidate('c', 'c1', null),
    ]),
  ).toEqual([
    { question: 'b', answer: 'b1', trait: 90 },
    { question: 'a', answer: 'a2', trait: 60 },
  ]);
});

test.each([
  ['One. Two! And thr', 'One. Two!'],
  ['He said "no." Then he', 'He said "no."'],
  ['It is 3.5 metres and', 'It is 3.5 metres and'],
  ['All of it.', 'All of it.'],
  ['no end in sight', 'no end in sight'],
])('%j without its last half sentence: %j', (text, whole) => {
  expect(wholeSentences(text)).toBe(whole);
});
