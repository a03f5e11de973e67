/** Sampling, log-probabilities, stop strings, and what is told while an answer is written. */
import { describe, expect, test } from 'vitest';
import type { EngineRequest, EngineResult, Sampling, TokenEvent } from '../../src/engine/request.ts';
import { BYTE_TOKENS } from '../tiny/tokenizers.ts';
import { expectClose, temporaryFolder, useTiny } from './tiny-engine.ts';
import { GREEDY, randomDirection } from './tiny-values.ts';

const folder = temporaryFolder();
const tiny = useTiny(folder, 'llama');

const prompt = 'Once upon a time';
const write = (fields: Partial<EngineRequest> = {}): Promise<EngineResult> =>
  tiny.engine.run({ prompt, maxTokens: 24, ignoreEnd: true, ...fields });
const sample = async (sampling: Sampling): Promise<number[]> => (await write({ sampling })).tokens;

async function watched(
  request: Partial<EngineRequest>,
): Promise<{ result: EngineResult; events: TokenEvent[] }> {
  const events: TokenEvent[] = [];
  const result = await tiny.engine.run(
    { prompt, maxTokens: 24, ignoreEnd: true, ...request },
    { onEvents: (more) => events.push(...more) },
  );
  return { result, events };
}

describe('when tokens are told', () => {
  async function messages(fields: Partial<EngineRequest>): Promise<{ sizes: number[]; ms: number }> {
    const sizes: number[] = [];
    const begun = performance.now();
    const request = { prompt, maxTokens: 100, ignoreEnd: true, ...fields };
    await tiny.engine.run(request, { onEvents: ({ length }) => sizes.push(length) });
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(100);
    return { sizes, ms: performance.now() - begun };
  }

  test('the first one at once, the others with what comes soon after', async () => {
    const { sizes, ms } = await messages({});
    expect(sizes[0]).toBeLessThanOrEqual(2); // the step that feeds the prompt also writes on
    expect(sizes.length).toBeLessThanOrEqual(2 + ms / 25); // however slow the machine is: the first, the last, and between
  });

  test('each at once, where somebody decides by it', async () => {
    // the bytes of one character are told together
    const { sizes } = await messages({ tellAtOnce: true, ...GREEDY });
    expect(sizes.length).toBeGreaterThan(50);
  });
});

describe('drawing', () => {
  test('the same seed gives the same text, other seeds other texts', async () => {
    const first = await sample({ seed: 7 });
    expect(await sample({ seed: 7 })).toEqual(first);
    const texts = new Set<string>();
    for (let seed = 0; seed < 6; seed++) texts.add((await sample({ seed })).join());
    expect(texts.size).toBe(6);
  });

  test.each([-1, 2 ** 32 - 1, 2 ** 40 + 3, Number.MAX_SAFE_INTEGER, -(2 ** 33)])(
    'seed %d is a seed as any other',
    async (seed) => {
      expect(await sample({ seed })).toEqual(await sample({ seed }));
    },
  );

  test('temperature 0 takes the likeliest token each time', async () => {
    const { tokens, logprobs } = await write({ topLogprobs: 1, ...GREEDY });
    expect(tokens).toEqual(logprobs!.map(({ top }) => top[0]!.token));
    expect(await sample({ temperature: 0, seed: 5 })).toEqual(tokens);
  });

  test('top-k 1, a tiny top-p, and min-p 1 leave the likeliest token only', async () => {
    const greedy = await sample({ temperature: 0 });
    expect(await sample({ topK: 1, seed: 3 })).toEqual(greedy);
    expect(await sample({ topP: 1e-6, seed: 3 })).toEqual(greedy);
    expect(await sample({ minP: 1, seed: 3 })).toEqual(greedy);
    expect(await sample({ temperature: 1e-4, seed: 3 })).toEqual(greedy);
    expect(await sample({ seed: 3 })).not.toEqual(greedy);
  });

  test('frequencies follow the distribution', async () => {
    const { logprobs } = await write({ maxTokens: 1, topLogprobs: 3, ...GREEDY });
    const draws = 400;
    const drawn = await Promise.all(
      Array.from({ length: draws }, (_, seed) => write({ maxTokens: 1, sampling: { seed } })),
    );
    for (const { token, logprob } of logprobs![0]!.top) {
      const probability = Math.exp(logprob);
      const share = drawn.filter(({ tokens }) => tokens[0] === token).length / draws;
      // five standard deviations
      expect(Math.abs(share - probability)).toBeLessThan(
        5 * Math.sqrt((probability * (1 - probability)) / draws),
      );
    }
  });

  test('penalties change the text: repeated tokens become rarer', async () => {
    const plain = await write({ maxTokens: 60, ...GREEDY });
    const penalised = await write({
      maxTokens: 60,
      ignoreEnd: true,
      sampling: { temperature: 0, repeatPenalty: 1.5, presencePenalty: 4, frequencyPenalty: 4 },
    });
    const different = (result: EngineResult): number => new Set(result.tokens).size;
    expect(different(penalised)).toBeGreaterThan(different(plain));
    expect(different(penalised)).toBe(60); // nothing comes twice within the 64 tokens looked back on
  });
});

describe('log-probabilities', () => {
  test('are sorted, add up to no more than 1, and hold the token itself', async () => {
    const { tokens, logprobs } = await write({ topLogprobs: 20, sampling: { seed: 1 } });
    logprobs!.forEach(({ logprob, top }, i) => {
      expect(top).toHaveLength(20);
      const values = top.map((entry) => entry.logprob);
      expect(values.toSorted((a, b) => b - a)).toEqual(values);
      expect(values.reduce((sum, x) => sum + Math.exp(x), 0)).toBeLessThanOrEqual(1 + 1e-6);
      const own = top.find(({ token }) => token === tokens[i]);
      if (own) expect(own.logprob).toBe(logprob);
      else expect(logprob).toBeLessThanOrEqual(values.at(-1)!);
    });
    const { pieces } = await tiny.engine.detokenize(logprobs![0]!.top.map(({ token }) => token));
    expect(logprobs![0]!.top.map(({ text }) => text)).toEqual(pieces);
  });

  test('over the whole vocabulary add up to 1', async () => {
    const { logprobs } = await write({ maxTokens: 1, topLogprobs: 1000 });
    const { top } = logprobs![0]!;
    expect(top).toHaveLength(tiny.engine.info.vocabulary);
    expect(new Set(top.map(({ token }) => token)).size).toBe(top.length);
    expect(top.reduce((sum, { logprob }) => sum + Math.exp(logprob), 0)).toBeCloseTo(1, 5);
  });

  test('of a given answer are those of writing it, whatever the sampling', async () => {
    const written = await write({ topLogprobs: 2, sampling: { seed: 4, temperature: 1.3, topK: 30 } });
    const given = await tiny.engine.run({ prompt, answer: written.tokens, topLogprobs: 2 });
    const values = (result: EngineResult): number[] =>
      result.logprobs!.flatMap(({ logprob, top }) => [logprob, ...top.map((entry) => entry.logprob)]);
    expectClose(values(given), values(written));
    expect(given.tokens).toEqual(written.tokens);
  });

  test('0 alternatives still give the token itself; none asked for, none given', async () => {
    const { logprobs } = await write({ maxTokens: 3, topLogprobs: 0 });
    expect(logprobs!.map(({ top }) => top.length)).toEqual([0, 0, 0]);
    expect((await write({ maxTokens: 3 })).logprobs).toBeUndefined();
  });
});

describe('the end of an answer', () => {
  test('maxTokens 0 reads the prompt only', async () => {
    const result = await write({
      maxTokens: 0,
      means: { layers: [1], kinds: ['prompt_last', 'response_avg'] },
    });
    expect(result).toMatchObject({
      tokens: [],
      text: '',
      finishReason: 'length',
      promptTokens: prompt.length,
    });
    expect(Object.keys(result.means!)).toEqual(['prompt_last']);
  });

  test('an answer is as long as asked for', async () => {
    const { tokens, finishReason } = await write({ maxTokens: 5 });
    expect([tokens.length, finishReason]).toEqual([5, 'length']);
  });

  test('an end-of-turn token ends it and is no part of it, unless told to go on', async () => {
    // at a high temperature it comes soon
    const request = { maxTokens: 200, sampling: { temperature: 10, seed: 2 }, ignoreEnd: false };
    const ended = await write(request);
    expect(ended.finishReason).toBe('stop');
    expect(ended.tokens.length).toBeLessThan(200);
    const on = await write({ ...request, ignoreEnd: true });
    expect(on.tokens).toHaveLength(200);
    expect(on.tokens.slice(0, ended.tokens.length)).toEqual(ended.tokens);
    expect([BYTE_TOKENS.imEnd, BYTE_TOKENS.endOfText]).toContain(on.tokens[ended.tokens.length]);
  });

  test('a stop string ends the text before it; a given text is not cut', async () => {
    const { text, tokens } = await write({ sampling: { seed: 11 } });
    const stop = text.slice(9, 12);
    const { result, events } = await watched({ sampling: { seed: 11 }, stop: ['never in it', stop] });
    expect(result.finishReason).toBe('stop');
    expect(result.text).toBe(text.slice(0, text.indexOf(stop)));
    expect(result.tokens).toEqual(tokens.slice(0, result.tokens.length));
    expect(events.map((event) => event.text).join('')).toBe(result.text);
    const given = await tiny.engine.run({ prompt, answer: text, stop: [stop] });
    expect([given.text, given.finishReason]).toEqual([text, 'given']);
  });
});

describe('events', () => {
  const projections = [
    { name: 'a', layer: 1, direction: randomDirection(1) },
    { name: 'b', layer: 3, direction: randomDirection(2), side: 'before' as const },
  ];

  test.each([
    ['plain', {}],
    ['with log-probabilities', { topLogprobs: 3 }],
    ['with projections', { projections, topLogprobs: 1 }],
    ['with a stop string that never comes whole', { stop: ['\u0000\u0000nothing', 'a long one'] }],
    ['at a high temperature, with many half characters', { sampling: { temperature: 3, seed: 3 } }],
  ] as [string, Partial<EngineRequest>][])('add up to the result: %s', async (_, request) => {
    for (let seed = 0; seed < 5; seed++) {
      const { result, events } = await watched({ sampling: { seed }, ...request });
      expect(events.map(({ index }) => index)).toEqual(result.tokens.map((__, i) => i));
      expect(events.map(({ token }) => token)).toEqual(result.tokens);
      expect(events.map(({ text }) => text).join('')).toBe(result.text);
      if (request.topLogprobs !== undefined)
        expect(events.map(({ logprobs }) => logprobs)).toEqual(result.logprobs);
      else expect(events.every((event) => !('logprobs' in event))).toBe(true);
      if (request.projections) {
        expect(result.projections!.map(({ tokens }) => tokens)).toEqual(
          projections.map((__, p) => events.map((event) => event.projections![p])),
        );
        expect(events.every(({ projections: values }) => values!.every(Number.isFinite))).toBe(true);
      } else expect(events.every((event) => !('projections' in event))).toBe(true);
    }
  });

  test('the end of a stop string that never came belongs to the last token', async () => {
    const { text } = await write({ sampling: { seed: 21 }, maxTokens: 6 });
    const stop = `${text.at(-1)}${'\u0001'.repeat(9)}`;
    const { result, events } = await watched({ sampling: { seed: 21 }, maxTokens: 6, stop: [stop] });
    expect(result.text).toBe(text);
    expect(events).toHaveLength(6);
    expect(events.at(-1)!.text.endsWith(text.at(-1)!)).toBe(true);
  });

  test('come while the answer is being written, those of a moment together', async () => {
    const batches: number[] = [];
    let told = 0; // before the second request is answered
    const running = tiny.engine.run(
      { prompt, maxTokens: 180, ignoreEnd: true },
      { onEvents: (events) => batches.push(events.length) },
    );
    await tiny.engine.run({ prompt, maxTokens: 40, ignoreEnd: true });
    for (const tokens of batches) told += tokens;
    await running;
    expect(batches.reduce((a, b) => a + b)).toBe(180);
    expect(told).toBeGreaterThan(20);
    expect(told).toBeLessThan(180);
    expect(batches.length).toBeLessThan(60); // each wakes whoever reads
  });

  test('a given answer tells nothing', async () => {
    const { events } = await watched({ answer: 'given', projections });
    expect(events).toEqual([]);
  });
});

test('text and tokens go both ways', async () => {
  const { engine } = tiny;
  const text = 'Größe 🦙 <|im_end|>';
  const plain = await engine.tokenize(text, false);
  expect(plain).toEqual([...Buffer.from(text)]);
  const special = await engine.tokenize(text, true);
  expect(special).toEqual([...Buffer.from('Größe 🦙 '), BYTE_TOKENS.imEnd]);
  expect((await engine.detokenize(special)).text).toBe(text);
  expect(await engine.tokenize('', true)).toEqual([]);
  expect(await engine.detokenize([])).toEqual({ text: '', pieces: [] });
});
