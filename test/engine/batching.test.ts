/** Many requests at once: each gets what it would get alone, aborts free their slot, and nobody is starved. */
import { describe, expect, test } from 'vitest';
import { isPersonaError } from '../../src/errors.ts';
import type { Edit, EngineRequest, EngineResult, MeanKind } from '../../src/engine/request.ts';
import { noise } from '../tiny/noise.ts';
import { TINY } from '../tiny/tiny-model.ts';
import { expectClose, expectSameReads, likelihoods, temporaryFolder, useTiny } from './tiny-engine.ts';
import { GREEDY, randomDirection, randomPrompt } from './tiny-values.ts';

const folder = temporaryFolder();

/** A request as a user might think of, out of a seed. */
function randomRequest(seed: number): EngineRequest {
  const next = noise(seed);
  const below = (n: number): number => Math.min(n - 1, Math.floor(((next() / Math.sqrt(3) + 1) / 2) * n));
  const beginning = randomPrompt(1000 + below(4), 40).slice(0, below(41)); // often shared
  const prompt = [...beginning, ...randomPrompt(seed, 1 + below(30))];
  const edits = Array.from({ length: below(3) }, (): Edit => {
    const base = {
      layer: below(TINY.layers),
      direction: randomDirection(below(20), 2),
      scope: (['response', 'prompt', 'all', 'last_prompt', 'generated'] as const)[below(5)]!,
      ...(below(3) === 0 ? { when: { direction: randomDirection(below(20)), above: -0.2 } } : {}),
    };
    const op = below(3);
    if (op === 0) return { ...base, op: 'add', coefficient: below(5) - 2 };
    return op === 1 ? { ...base, op: 'ablate' } : { ...base, op: 'cap', above: 0.1 * below(5) };
  });
  const kinds = (['response_avg', 'prompt_avg', 'prompt_last'] as MeanKind[]).filter(() => below(2) === 0);
  const given = below(4) === 0;
  return {
    prompt,
    edits,
    ...(given ? { answer: randomPrompt(seed + 1, below(25)) } : { maxTokens: below(20), ...GREEDY }),
    ...(below(2) ? { topLogprobs: below(4) } : {}),
    ...(below(2) && kinds.length > 0
      ? {
          means: {
            layers: below(2) ? 'all' : [below(TINY.layers)],
            kinds,
            side: below(3) ? 'after' : 'before',
          },
        }
      : {}),
    ...(below(2)
      ? {
          projections: [
            {
              name: 'p',
              layer: below(TINY.layers),
              direction: randomDirection(below(20)),
              prompt: below(2) === 0,
            },
          ],
        }
      : {}),
  };
}

describe.each(['llama', 'qwen2'] as const)('%s', { timeout: 60_000 }, (architecture) => {
  const tiny = useTiny(folder, architecture, { parallel: 4 });

  test('200 random requests give what each gives alone, while others are aborted', async () => {
    const { engine } = tiny;
    const requests = Array.from({ length: 200 }, (_, i) => randomRequest(5000 + i));
    const alone: EngineResult[] = [];
    for (const request of requests) alone.push(await engine.run({ ...request, sharePrefix: false }));

    const aborted: Promise<unknown>[] = [];
    const results = await Promise.all(
      requests.map(async (request, i) => {
        if (i % 4 === 0) {
          const stop = new AbortController();
          const { answer: _, ...open } = randomRequest(9000 + i);
          const running = engine.run(
            { ...open, maxTokens: 100, ...GREEDY },
            { signal: stop.signal, onEvents: (events) => events.at(-1)!.index >= i % 20 && stop.abort() },
          );
          aborted.push(
            running.then(
              () => 'done',
              (error: unknown) => isPersonaError(error) && error.code,
            ),
          );
        }
        return engine.run(request);
      }),
    );
    results.forEach((result, i) => {
      expect(result.tokens, `request ${i}`).toEqual(alone[i]!.tokens);
      expect(result.finishReason).toBe(alone[i]!.finishReason);
      expectSameReads(result, alone[i]!);
      if (result.logprobs?.length) expectClose(likelihoods(result), likelihoods(alone[i]!));
      if (result.cachedTokens === 0) expect(result.editsApplied).toEqual(alone[i]!.editsApplied);
    });
    expect(results.filter((result) => result.cachedTokens > 0).length).toBeGreaterThanOrEqual(15);
    expect(new Set(await Promise.all(aborted))).toEqual(new Set(['ABORTED']));
  });
});

describe('aborting', { timeout: 60_000 }, () => {
  const tiny = useTiny(folder, 'llama', { parallel: 2, context: 2048 });
  const long: EngineRequest = { prompt: 'On and on', maxTokens: 2000, ...GREEDY };
  const short: EngineRequest = { prompt: 'Now', maxTokens: 2, ...GREEDY };

  test('frees the slot at once: a queue of long requests is gone with their aborts', async () => {
    const { engine } = tiny;
    const start = performance.now();
    await engine.run(long);
    const oneLong = performance.now() - start;

    const stop = new AbortController();
    const running = Array.from({ length: 40 }, () => engine.run(long, { signal: stop.signal }));
    const outcomes = Promise.allSettled(running);
    await new Promise((resolve) => setTimeout(resolve, 20));
    const aborted = performance.now();
    stop.abort();
    for (const outcome of await outcomes)
      expect(outcome.status === 'rejected' && outcome.reason).toMatchObject({ code: 'ABORTED' });
    expect((await engine.run(short)).tokens).toHaveLength(2);
    expect(performance.now() - aborted).toBeLessThan(oneLong / 2);
  });

  test('before the start, nothing is run', async () => {
    const events: unknown[] = [];
    const running = tiny.engine.run(long, {
      signal: AbortSignal.abort(new Error('changed my mind')),
      onEvents: (more) => events.push(...more),
    });
    await expect(running).rejects.toMatchObject({ code: 'ABORTED', cause: new Error('changed my mind') });
    expect(events).toEqual([]);
  });

  test('after the end, nothing happens', async () => {
    const stop = new AbortController();
    const result = await tiny.engine.run(short, { signal: stop.signal });
    stop.abort();
    expect(result.tokens).toHaveLength(2);
    expect((await tiny.engine.run(short)).tokens).toEqual(result.tokens);
  });

  test('one of many leaves the others alone', async () => {
    const { engine } = tiny;
    const expected = await engine.run({ ...long, maxTokens: 60 });
    const stop = new AbortController();
    const outcomes = await Promise.allSettled([
      engine.run({ ...long, maxTokens: 60 }),
      engine.run(long, { signal: stop.signal, onEvents: () => stop.abort() }),
      engine.run({ ...long, maxTokens: 60 }),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    for (const outcome of outcomes)
      if (outcome.status === 'fulfilled') expect(outcome.value.tokens).toEqual(expected.tokens);
  });
});

describe('fairness', { timeout: 60_000 }, () => {
  const tiny = useTiny(folder, 'llama', { parallel: 4, context: 2048 });

  test('while a very long prompt is fed in pieces, a short request comes and goes', async () => {
    const { engine } = tiny;
    const order: string[] = [];
    const long = engine
      .run({ prompt: randomPrompt(1, 2000), maxTokens: 1, ...GREEDY })
      .then(() => order.push('long'));
    const short = engine
      .run({ prompt: randomPrompt(2, 20), maxTokens: 10, ...GREEDY })
      .then(() => order.push('short'));
    const read = engine
      .run({ prompt: randomPrompt(3, 20), means: { layers: [0], kinds: ['prompt_avg'] } })
      .then(() => order.push('read'));
    await Promise.all([long, short, read]);
    expect(order.at(-1)).toBe('long');
  });

  test('two long prompts take turns', async () => {
    const { engine } = tiny;
    const ends: number[] = [];
    const started = performance.now();
    await Promise.all(
      [4, 5].map(async (seed) => {
        await engine.run({ prompt: randomPrompt(seed, 1500), maxTokens: 1, ...GREEDY });
        ends.push(performance.now() - started);
      }),
    );
    // one after the other, the first would be done in half the time
    expect(ends[0]! / ends[1]!).toBeGreaterThan(0.75);
  });
});
