/** The judge `openai:` against a real server with a real model behind it: our engine, judging by a planted direction. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { noJudgeCache } from '../../src/judge/cache.ts';
import { ggufJudge } from '../../src/judge/gguf.ts';
import { openOpenAiJudge } from '../../src/judge/openai.ts';
import { COHERENCE_RUBRIC, fillRubric } from '../../src/judge/rubric.ts';
import { type ChatModel, openChatModel } from '../../src/model/chat-model.ts';
import { startEngineServer } from '../support/engine-server.ts';
import { plantedTrait } from '../support/planted-trait.ts';
import { writePlantedModel } from '../tiny/planted-model.ts';

const trait = plantedTrait();
const home = mkdtempSync(join(tmpdir(), 'judge-'));
let numbers: ChatModel;
let digits: ChatModel;

beforeAll(async () => {
  [numbers, digits] = await Promise.all([open('numbers'), open('digits')]);
});
afterAll(async () => {
  await numbers[Symbol.asyncDispose]();
  await digits[Symbol.asyncDispose]();
  rmSync(home, { recursive: true });
});

async function open(writes: 'numbers' | 'digits'): Promise<ChatModel> {
  const path = join(home, `${writes}.gguf`);
  await writePlantedModel({ path, writes });
  return openChatModel({ model: path, home, threads: 1, context: 2048, parallel: 4, cacheType: 'f32' });
}

/** n answers, from all N to all P. */
function answers(n: number) {
  return Array.from({ length: n }, (_, i) => ({
    question: 'what of the river.',
    answer: 'N'.repeat(10 * (n - 1 - i)) + 'P'.repeat(10 * i),
  }));
}

function client(url: string) {
  return { model: 'planted', baseUrl: url, apiKey: 'secret-key', retryMs: 20, env: {} };
}

test('scores are the expectation over the twenty likeliest tokens, as the engine itself tells them', async () => {
  await using server = await startEngineServer(numbers, { key: 'secret-key' });
  await using opened = openOpenAiJudge(client(server.url), noJudgeCache());
  const items = answers(5);
  const judged = await Promise.all(items.map((item) => opened.forTrait(trait).judge(item)));
  for (const [i, item] of items.entries()) {
    for (const [field, rubric] of [
      ['trait', trait.eval_prompt],
      ['coherence', COHERENCE_RUBRIC],
    ] as const) {
      const prompt = numbers.render([{ role: 'user', content: fillRubric(rubric, item) }]);
      const { logprobs } = await numbers.engine.run({ prompt, answer: [0], topLogprobs: 20 });
      const own = logprobs![0]!.top.filter(({ text }) => /^\d+$/.test(text));
      const total = own.reduce((sum, { logprob }) => sum + Math.exp(logprob), 0);
      const expected =
        own.reduce((sum, { text, logprob }) => sum + Number(text) * Math.exp(logprob), 0) / total;
      expect(total).toBeGreaterThan(0.25);
      expect(judged[i]![field]).toBeCloseTo(expected, 3);
    }
  }
  const scores = judged.map((judgement) => judgement.trait!);
  expect(scores.toSorted((a, b) => a - b)).toEqual(scores); // more P, more of the trait
  expect(scores.at(-1)! - scores[0]!).toBeGreaterThan(30);
  expect(server.requests).toHaveLength(10);
});

test('a server that is killed in the middle of it and comes back loses nothing', async () => {
  let server = await startEngineServer(numbers);
  const { port, url } = server;
  const notes: string[] = [];
  await using opened = openOpenAiJudge(
    { ...client(url), concurrency: 4, retries: 8, onNote: (note) => notes.push(note) },
    noJudgeCache(),
  );
  const items = answers(12);
  const done: unknown[] = [];
  const judged = Promise.all(
    items.map(async (item) => {
      const judgement = await opened.forTrait(trait).judge(item);
      done.push(judgement);
      return judgement;
    }),
  );
  while (done.length < 4) await sleep(1);
  await server.kill();
  const before = done.length;
  expect(before).toBeLessThan(items.length);
  await sleep(100);
  server = await startEngineServer(numbers, { port });
  await using _ = server;
  for (const judgement of await judged) {
    expect(judgement.reason).toBeUndefined();
    expect(judgement.trait).not.toBeNull();
  }
  expect(server.requests.length).toBeGreaterThan(0);
  expect(notes.join('\n')).toContain('trying again');
  expect(opened.usage().requests).toBe(2 * items.length);
});

test('a model that writes digits is found out: its first digit is no score', async () => {
  await using server = await startEngineServer(digits);
  const notes: string[] = [];
  await using opened = openOpenAiJudge(
    { ...client(server.url), onNote: (note) => notes.push(note) },
    noJudgeCache(),
  );
  const judgement = await opened.forTrait(trait).judge({ question: 'what.', answer: 'P'.repeat(60) });
  expect(judgement).toEqual({ trait: null, coherence: null, reason: 'unparseable' }); // 9999…
  expect(notes).toEqual([expect.stringContaining('numbers in several tokens')]);
});

test('gguf: the expectation over all numbers, each by the products that the engine tells', async () => {
  for (const model of [numbers, digits]) {
    await using judge = ggufJudge(model, noJudgeCache());
    for (const item of answers(3)) {
      const { trait: score } = await judge.forTrait(trait).judge(item);
      expect(score).toBeCloseTo(await scoreByHand(model, fillRubric(trait.eval_prompt, item)), 3);
    }
    expect(judge.usage()).toMatchObject({ requests: 6, cached: 0 });
  }
});

test('gguf: an engine that dies in the middle of it is started again, and no score is lost', async () => {
  const path = join(home, 'numbers.gguf');
  await using model = await openChatModel({ model: path, home, threads: 1, context: 2048, parallel: 2 });
  await using judge = ggufJudge(model, noJudgeCache());
  const judged = Promise.all(answers(6).map((item) => judge.forTrait(trait).judge(item)));
  await sleep(30);
  process.kill(model.engine.pid!, 'SIGKILL');
  for (const judgement of await judged) expect(judgement.trait).not.toBeNull();
});

/** Number by number instead of token by token: all ways to write it, with an end where it could go on. */
async function scoreByHand(model: ChatModel, question: string): Promise<number> {
  const prompt = model.render([{ role: 'user', content: question }]);
  const known = new Map<string, Promise<Map<string, { token: number; p: number }>>>();
  const next = (prefix: readonly number[]) => {
    const key = prefix.join();
    const asked =
      known.get(key) ??
      model.engine
        .run({ prompt, answer: [...prefix, 0], topLogprobs: 400 })
        .then(
          ({ logprobs }) =>
            new Map(
              logprobs!
                .at(-1)!
                .top.map(({ token, text, logprob }) => [text, { token, p: Math.exp(logprob) }]),
            ),
        );
    known.set(key, asked);
    return asked;
  };
  const goesOn = (text: string) => text.length === 1 || text === '10';

  /** of writing `rest` after the tokens of `written` */
  async function massOf(
    written: string,
    prefix: readonly number[],
    mass: number,
    rest: string,
  ): Promise<number> {
    if (written !== '' && !goesOn(written)) return rest === '' ? mass : 0;
    if (written !== '' && mass < 0.01) return 0;
    const chances = await next(prefix);
    if (rest === '') {
      const digit = [...chances].filter(([text]) => /^\d/.test(text)).reduce((sum, [, { p }]) => sum + p, 0);
      return mass * (1 - digit);
    }
    let total = 0;
    for (let length = 1; length <= rest.length; length++) {
      const chance = chances.get(rest.slice(0, length));
      if (chance)
        total += await massOf(
          written + rest.slice(0, length),
          [...prefix, chance.token],
          mass * chance.p,
          rest.slice(length),
        );
    }
    return total;
  }
  const written = [
    ...Array.from({ length: 10 }, (_, d) => String(d)),
    ...Array.from({ length: 100 }, (_, n) => String(n).padStart(2, '0')),
    ...Array.from({ length: 101 }, (_, n) => String(n).padStart(3, '0')), // 042 is 42
  ];
  let [total, weighted] = [0, 0];
  for (const text of written) {
    const mass = await massOf('', [], 1, text);
    total += mass;
    weighted += Number(text) * mass;
  }
  expect(total).toBeGreaterThan(0.25);
  return weighted / total;
}
