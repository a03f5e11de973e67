import { join } from 'node:path';
import { expect, test } from 'vitest';
import { noJudgeCache, openJudgeCache } from '../../src/judge/cache.ts';
import { openOpenAiJudge } from '../../src/judge/openai.ts';
import { COHERENCE_RUBRIC, fillRubric } from '../../src/judge/rubric.ts';
import type { OpenAiClientOptions } from '../../src/model/openai-client.ts';
import { folder } from '../support/folder.ts';
import { plantedTrait } from '../support/planted-trait.ts';
import { type Asked, completion, type Reply, startScripted } from '../support/scripted-server.ts';

const ITEM = { question: 'what?', answer: 'that' };
const trait = plantedTrait();
const KEY = 'sk-secret-0123456789';

const isCoherence = ({ body }: Asked): boolean => JSON.stringify(body['messages']).includes('coherent');
/** The trait at 83.3, coherence at 90. */
const usual = (asked: Asked): Reply =>
  isCoherence(asked) ? completion('90', { 90: 1 }) : completion('80', { 80: 0.6, 90: 0.3, REFUSAL: 0.1 });

async function scripted(
  reply: (asked: Asked, n: number) => Reply,
  options: Partial<OpenAiClientOptions> = {},
  cache = noJudgeCache(),
) {
  const server = await startScripted(reply);
  const notes: string[] = [];
  const opened = openOpenAiJudge(
    {
      model: 'm',
      baseUrl: server.url,
      apiKey: KEY,
      retries: 1,
      retryMs: 1,
      env: {},
      onNote: (note) => notes.push(note),
      ...options,
    },
    cache,
  );
  return {
    server,
    notes,
    opened,
    judge: opened.forTrait(trait),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

test('two requests an answer, with the rubrics filled, and expectations back', async () => {
  await using s = await scripted(usual);
  const { trait: score, ...rest } = await s.judge.judge({ ...ITEM, answer: '<think>hmm</think>\nthat' });
  expect(score).toBeCloseTo(75 / 0.9, 9);
  expect(rest).toEqual({ coherence: expect.closeTo(90, 9) });
  expect(s.judge.name).toBe('openai:m');
  expect(
    s.server.asked.map(({ body }) =>
      (body['messages'] as { content: string }[]).map(({ content }) => content),
    ),
  ).toEqual([trait.eval_prompt, COHERENCE_RUBRIC].map((rubric) => [fillRubric(rubric, ITEM)]));
  expect(s.server.asked[0]!.body).toMatchObject({
    max_tokens: 1,
    temperature: 0,
    seed: 0,
    logprobs: true,
    top_logprobs: 20,
  });
  expect(s.opened.usage()).toEqual({ requests: 2, cached: 0, promptTokens: 200, completionTokens: 2 });
  expect(s.notes).toEqual([]);
});

test.each<[string, Reply, string]>([
  ['refusal', completion('REFUSAL', { REFUSAL: 0.8, 0: 0.2 }), 'refusal'],
  ['words', completion('I', { I: 0.9 }), 'unparseable'],
  [
    'an answer without tokens',
    { body: { choices: [{ message: { content: '' }, logprobs: { content: [] } }] } },
    'unparseable',
  ],
])('no score for %s', async (_, reply, reason) => {
  await using s = await scripted((asked) => (isCoherence(asked) ? usual(asked) : reply));
  expect(await s.judge.judge(ITEM)).toEqual({ trait: null, coherence: expect.closeTo(90, 9), reason });
});

test('an empty answer is not asked about', async () => {
  await using s = await scripted(usual);
  const empty = { trait: null, coherence: null, reason: 'empty answer' };
  expect(await s.judge.judge({ question: 'what?', answer: ' \n' })).toEqual(empty);
  expect(await s.judge.judge({ question: 'what?', answer: '<think>so long</think>' })).toEqual(empty);
  expect(s.server.asked).toHaveLength(0);
});

test('a server without log-probabilities is asked for the number itself, and this is said once', async () => {
  await using s = await scripted(({ body }) =>
    completion(body['max_tokens'] === 1 ? '7' : '<think>so</think> 75'),
  );
  for (let i = 0; i < 3; i++)
    expect(await s.judge.judge({ ...ITEM, answer: `that ${i}` })).toEqual({ trait: 75, coherence: 75 });
  expect(s.notes).toEqual([expect.stringContaining('tells no log-probabilities')]);
  expect(s.server.asked.slice(-4).every(({ body }) => body['max_tokens'] !== 1)).toBe(true);
});

test('a model whose tokens are single digits is not judged by its first digit', async () => {
  await using s = await scripted(({ body }) =>
    completion(body['max_tokens'] === 1 ? '8' : '85', { 8: 0.9, 9: 0.1 }),
  );
  expect(await s.judge.judge(ITEM)).toEqual({ trait: 85, coherence: 85 });
  expect(s.notes).toEqual([expect.stringContaining('numbers in several tokens')]);
});

test('a low score of whole-number tokens stays an expectation', async () => {
  await using s = await scripted(({ body }) =>
    completion('0', body['max_tokens'] === 1 ? { 0: 0.9, 5: 0.1 } : {}),
  );
  expect(await s.judge.judge(ITEM)).toEqual({
    trait: expect.closeTo(0.5, 9),
    coherence: expect.closeTo(0.5, 9),
  });
  expect(s.notes).toEqual([]);
});

test('a request that fails for good costs its own score only', async () => {
  await using s = await scripted((asked) =>
    isCoherence(asked) ? { status: 500, body: 'oops' } : usual(asked),
  );
  expect(await s.judge.judge(ITEM)).toEqual({
    trait: expect.closeTo(75 / 0.9, 9),
    coherence: null,
    reason: expect.stringMatching(/^failed: .*answered 500: oops/),
  });
  await using tooLong = await scripted(() => ({ status: 400, body: { error: { message: 'too long' } } }));
  expect(await tooLong.judge.judge(ITEM)).toMatchObject({
    trait: null,
    reason: expect.stringMatching(/^failed: .*too long/),
  });
});

test.each([401, 403, 404])('%i ends the run', async (status) => {
  await using s = await scripted(() => ({ status, body: { error: { message: `bad ${KEY}` } } }));
  const error = await s.judge.judge(ITEM).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: 'SERVER', remedy: expect.stringContaining('OPENAI') });
  expect(JSON.stringify([error, (error as Error).message, (error as Error).stack, s.notes])).not.toContain(
    KEY,
  );
});

test('what is known is not asked again, also after reopening; what failed is', async () => {
  const path = join(folder(), 'answers.sqlite');
  let broken = true;
  const reply = (asked: Asked): Reply =>
    broken && isCoherence(asked) ? { status: 500, body: '' } : usual(asked);
  const server = await startScripted(reply);
  await using _ = server;
  const judged = async () => {
    const cache = openJudgeCache({ path });
    await using opened = openOpenAiJudge(
      { model: 'm', baseUrl: server.url, apiKey: KEY, retries: 0, env: {} },
      cache,
    );
    const judgement = await opened.forTrait(trait).judge(ITEM);
    return { judgement, usage: opened.usage() };
  };
  expect((await judged()).judgement.coherence).toBeNull();
  broken = false;
  const second = await judged();
  expect(second.judgement.coherence).toBeCloseTo(90, 9);
  expect(second.usage).toMatchObject({ requests: 1, cached: 1 });
  const third = await judged();
  expect(third.judgement).toEqual(second.judgement);
  expect(third.usage).toMatchObject({ requests: 0, cached: 2, promptTokens: 0 });
  expect(server.asked).toHaveLength(3);
});
