import { expect, test } from 'vitest';
import { BadRow, shapeOf } from '../../src/screen/shape.ts';

const user = (content: string): object => ({ role: 'user', content });
const assistant = (content: string): object => ({ role: 'assistant', content });
const system = (content: string): object => ({ role: 'system', content });
const one = (asked: object[], answer: string): object => ({ turns: [{ turn: 0, asked, answer }] });

test.each([
  [{ messages: [system('s'), user('q'), assistant('a')] }, one([system('s'), user('q')], 'a')],
  [{ messages: [user('q'), assistant('a'), user('left over')] }, one([user('q')], 'a')],
  [{ messages: [{ role: 'user', content: [{ type: 'text', text: 'q' }, { type: 'text', text: '!' }] }, assistant('a')] }, one([user('q!')], 'a')],
  [{ messages: JSON.stringify([user('q'), assistant('a')]) }, one([user('q')], 'a')],
  [{ conversations: [{ from: 'system', value: 's' }, { from: 'human', value: 'q' }, { from: 'gpt', value: 'a' }] }, one([system('s'), user('q')], 'a')],
  [{ conversations: [user('q'), assistant('a')] }, one([user('q')], 'a')],
  [{ instruction: 'Add.', input: '1, 2', output: '3' }, one([user('Add.\n\n1, 2')], '3')],
  [{ instruction: 'Add.', input: '', output: '3' }, one([user('Add.')], '3')],
  [{ instruction: 'Add.', output: '3', system: 'Be terse.' }, one([system('Be terse.'), user('Add.')], '3')],
  [{ prompt: 'q', completion: 'a' }, one([user('q')], 'a')],
  [{ prompt: 'q', response: 'a' }, one([user('q')], 'a')],
  [{ prompt: 'q', answer: 'a' }, one([user('q')], 'a')],
  [{ prompt: [user('q')], completion: [assistant('a')] }, one([user('q')], 'a')],
  [{ question: 'q', answer: 'a', messages: null }, one([user('q')], 'a')],
  [{ question: 'q', prompt: '<|im_start|>user\nq', answer: 'a' }, one([user('q')], 'a')],
  [{ prompt: 'p', response: 'a', question: 'q' }, one([user('p')], 'a')],
])('%j', (fields, expected) => {
  expect(shapeOf(fields)).toMatchObject(expected);
}); // prettier-ignore

test('each answer of a conversation is a turn, with all that came before it; a greeting is none', () => {
  const talk = [assistant('hello'), user('q'), assistant('a'), user('r'), assistant('b')];
  expect(shapeOf({ messages: talk }).turns).toEqual([
    { turn: 0, asked: talk.slice(0, 2), answer: 'a' },
    { turn: 1, asked: talk.slice(0, 4), answer: 'b' },
  ]);
});

test.each([
  [{}, 'no answer to be found'],
  [{ text: 'x' }, 'no answer to be found'],
  [{ prompt: 'q' }, 'no answer to be found'],
  [{ prompt: 1, completion: 'a' }, 'prompt: expected text'],
  [{ prompt: ' ', completion: 'a' }, 'an empty question'],
  [{ messages: 'x' }, 'messages: not JSON'],
  [{ messages: [] }, 'no answer of the assistant'],
  [{ messages: [user('q')] }, 'no answer of the assistant'],
  [{ messages: [user('q'), { role: 'tool', content: 'x' }] }, 'message 2: cannot do with role "tool"'],
  [{ messages: [user('q'), { role: 'assistant', content: null }] }, 'message 2: content: expected text'],
  [{ messages: [{ role: 'user', content: [{ type: 'image_url' }] }] }, 'a part that is no text'],
  [{ conversations: [{ from: '__proto__', value: 'x' }] }, 'cannot do with from'],
])('%j is bad: %s', (fields, message) => {
  expect(() => shapeOf(fields)).toThrow(BadRow);
  expect(() => shapeOf(fields)).toThrow(message);
});
