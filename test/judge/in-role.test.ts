/** Whether an answer is in its role, on the planted model, whose likelihoods can be taken token by token. */

import { expect, test } from 'vitest';
import { inRole } from '../../src/judge/in-role.ts';
import { usePlanted } from '../support/planted-chat.ts';

const chat = usePlanted();
const question = 'what of the river.';

function asked(system: string): string {
  return chat.model.render([
    { role: 'system', content: system },
    { role: 'user', content: question },
  ]);
}

/** log P(text | prompt) / tokens, each letter a token, from the likeliest that follow each beginning. */
async function byHand(prompt: string, text: string): Promise<number> {
  let sum = 0;
  for (const [i, letter] of Array.from(text).entries()) {
    const { logprobs } = await chat.model.engine.run({
      prompt: prompt + text.slice(0, i),
      maxTokens: 1,
      topLogprobs: 300,
    });
    sum += logprobs![0]!.top.find((entry) => entry.text === letter)!.logprob;
  }
  return sum / text.length;
}

test('it is the difference of the likelihoods under the role and under no prompt', async () => {
  const prompt = asked(`be ${'P'.repeat(40)}.`);
  const usual = chat.model.render([{ role: 'user', content: question }]);
  for (const answer of ['PPaPP', 'NbNN', 'the']) {
    const expected = (await byHand(prompt, answer)) - (await byHand(usual, answer));
    expect(await inRole(chat.model, { prompt, question, answer })).toBeCloseTo(expected, 3);
  }
});

test('what a role says is in it, what another says is not, and nothing is neither', async () => {
  const prompt = asked(`be ${'P'.repeat(40)}.`);
  expect(await inRole(chat.model, { prompt, question, answer: 'PPPP' })).toBeGreaterThan(0.1);
  expect(await inRole(chat.model, { prompt, question, answer: 'NNNN' })).toBeLessThan(-0.1);
  expect(await inRole(chat.model, { prompt, question, answer: '' })).toBeUndefined();
});
