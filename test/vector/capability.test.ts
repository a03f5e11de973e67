/** The planted model likes P after P and is steered from P to N: what it "knows" is then known beforehand. */

import { expect, test } from 'vitest';
import type { AddEdit, EngineRequest } from '../../src/engine/request.ts';
import type { ChatModel } from '../../src/model/chat-model.ts';
import { measureCapability, scoreChoices } from '../../src/vector/capability.ts';
import type { CapabilityItem } from '../../src/vector/capability-items.ts';
import { usePlanted } from '../support/planted-chat.ts';

const chat = usePlanted();

const ITEMS: CapabilityItem[] = [
  { question: 'who.', choices: ['NN', 'a b', 'PP', 'b a'], answer: 2, subject: 'p' },
  { question: 'what.', choices: ['PPP', 'c', 'NNN', 'd e f'], answer: 0, subject: 'p' },
  { question: 'why.', choices: ['c', 'NN', 'd', 'PP'], answer: 1, subject: 'n' },
];

function push(coefficient: number): AddEdit {
  return { op: 'add', layer: 2, direction: chat.planted.direction, coefficient };
}

test('steered to P it is right where the answer is P, steered to N where it is N', async () => {
  const seen: number[] = [];
  const positive = await measureCapability(chat.model, ITEMS, {
    edits: [push(8)],
    shots: 0,
    onProgress: ({ done }) => seen.push(done),
  });
  expect(positive).toMatchObject({
    scoring: 'text',
    correct: 2,
    total: 3,
    accuracy: 2 / 3,
    interval: { n: 3, mean: 2 / 3 },
    bySubject: { p: { correct: 2, total: 2 }, n: { correct: 0, total: 1 } },
    right: [true, true, false],
  });
  expect(seen).toEqual([0, 1, 2, 3]);
  const negative = await measureCapability(chat.model, ITEMS, { edits: [push(-8)], shots: 0 });
  expect(negative.right).toEqual([false, false, true]);
});

test('a choice scores the mean log-probability of its characters, each predicted from what stands before', async () => {
  const [item] = ITEMS;
  const scores = await scoreChoices(chat.model, item!, { scoring: 'text', shots: 0, edits: [] });
  const asked = '<|im_start|>user\nwho.<|im_end|>\n<|im_start|>assistant\nAnswer:';
  for (const [k, choice] of item!.choices.entries()) {
    let sum = 0;
    for (const [i, character] of ` ${choice}`.split('').entries()) {
      const prompt = `${asked} ${choice}`.slice(0, asked.length + i);
      const { logprobs } = await chat.model.engine.run({ prompt, answer: character, topLogprobs: 0 });
      sum += logprobs![0]!.logprob;
    }
    expect(scores[k]).toBeCloseTo(sum / (choice.length + 1), 3);
  }
});

/** A model that only writes down what it is asked: one token a character, but `: ` and a letter is one with the space. */
function listener(): { model: ChatModel; requests: { prompt: string; answer: string }[] } {
  const requests: { prompt: string; answer: string }[] = [];
  const tokens: string[] = [];
  const id = (piece: string): number =>
    tokens.includes(piece) ? tokens.indexOf(piece) : tokens.push(piece) - 1;
  const text = (ids: readonly number[]): string => ids.map((token) => tokens[token]).join('');
  const engine = {
    info: { parallel: 2 },
    tokenize: (given: string) => Promise.resolve((given.match(/: \w|[^]/g) ?? []).map(id)),
    run: ({ prompt, answer }: EngineRequest) => {
      requests.push({ prompt: text(prompt as number[]), answer: text(answer as number[]) });
      return Promise.resolve({ logprobs: [{ logprob: -1, top: [] }] });
    },
  };
  const render: ChatModel['render'] = (messages) =>
    `${messages.map(({ role, content }) => `<${role}>${content}`).join('')}<assistant>`;
  return { model: { engine, render } as unknown as ChatModel, requests };
}

test('letters: the choices are shown, a worked example before them, and a token that holds the space too is the answer', async () => {
  const { model, requests } = listener();
  const item = { question: 'Who?', choices: ['w', 'x', 'y', 'z'], answer: 2 };
  await scoreChoices(model, item, { scoring: 'letter', shots: 1, edits: [] });
  const prompt =
    '<user>What do cows eat?\nA. stones\nB. grass\nC. paper\nD. glass<assistant>Answer: B' +
    '<user>Who?\nA. w\nB. x\nC. y\nD. z<assistant>Answer';
  expect(requests).toEqual(['A', 'B', 'C', 'D'].map((letter) => ({ prompt, answer: `: ${letter}` })));
});

test('it stops when it is told to', async () => {
  const signal = AbortSignal.abort();
  await expect(measureCapability(chat.model, ITEMS, { shots: 0, signal })).rejects.toThrow();
});
