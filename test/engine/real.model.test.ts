/** A real model: many requests at once, read and steered, against passes alone and llama.cpp's own control vector. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openEngine, type Engine } from '../../src/engine/engine.ts';
import type { EngineRequest, EngineResult } from '../../src/engine/request.ts';
import { resolveModel } from '../../src/model/pull.ts';
import { noise, noiseArray } from '../tiny/noise.ts';
import { expectApart, expectClose, expectSameReads, likelihoods } from './tiny-engine.ts';
import { GREEDY } from './tiny-values.ts';

/** The default model; PERSONA_TEST_MODEL names another. */
const { path: modelPath } = await resolveModel(process.env.PERSONA_TEST_MODEL);
/** Products of quantised weights round differently with the number of rows. */
const TOLERANCE = 0.03;

const topics = ['rain', 'cats', 'the moon', 'bread', 'old ships', 'maths', 'trains', 'a garden'];
const ask = (i: number): string =>
  `<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\nTell me something about ${
    topics[i % topics.length]
  }${'!'.repeat(1 + (i >> 3))}<|im_end|>\n<|im_start|>assistant\n`;

describe('a real model', { timeout: 600_000 }, () => {
  let byCallback: Engine;
  let engine: Engine;
  beforeAll(async () => {
    const options = { modelPath, parallel: 16, context: 256 };
    byCallback = await openEngine({ ...options, readVia: 'callback' });
    engine = await openEngine(options);
  }, 120_000);
  afterAll(async () => {
    await byCallback[Symbol.asyncDispose]();
    await engine[Symbol.asyncDispose]();
  });

  /** of the length of this share of the residual stream at the layer */
  async function direction(layer: number, seed: number, share: number): Promise<Float32Array> {
    const { means } = await engine.run({
      prompt: ask(0),
      means: { layers: [layer], kinds: ['prompt_last'] },
    });
    const size = Math.sqrt(means!.prompt_last!.reduce((sum, x) => sum + x * x, 0));
    return noiseArray(noise(seed), engine.info.width, (share * size) / Math.sqrt(engine.info.width));
  }

  test('16 at once: reads while writing are those of a second pass, both ways', async () => {
    const middle = engine.info.layers >> 1;
    const v = await direction(middle, 1, 1);
    const requests = Array.from({ length: 16 }, (_, i): EngineRequest => ({
      prompt: ask(i),
      means: { layers: 'all', kinds: ['response_avg', 'prompt_avg', 'prompt_last'] },
      projections: [
        { name: 'middle', layer: middle, direction: v },
        { name: 'last', layer: engine.info.layers - 1, direction: v },
      ],
    }));
    const written = await Promise.all(
      requests.map((request) => engine.run({ ...request, maxTokens: 12, ...GREEDY })),
    );
    for (const reader of [engine, byCallback]) {
      const read = await Promise.all(
        requests.map((request, i) => reader.run({ ...request, answer: written[i]!.tokens })),
      );
      read.forEach((result, i) => expectSameReads(result, written[i]!, TOLERANCE));
    }
    const rewritten = await Promise.all(
      requests.map((request) => byCallback.run({ ...request, maxTokens: 12, ...GREEDY })),
    );
    rewritten.forEach((result, i) => {
      expect(result.tokens).toEqual(written[i]!.tokens);
      expectSameReads(result, written[i]!, 1e-3); // the same batch, read in two ways
    });
  });

  test('16 different steerings in one batch act as each does alone', async () => {
    const { layers } = engine.info;
    const requests = await Promise.all(
      Array.from({ length: 16 }, async (_, i): Promise<EngineRequest> => {
        const layer = [0, 5, layers >> 1, layers - 2, layers - 1][i % 5]!;
        const v = await direction(layer, 50 + i, 1);
        return {
          prompt: ask(i),
          answer: 'It is a fine thing, and many people like it a lot.',
          topLogprobs: 1,
          sharePrefix: false,
          projections: [{ name: 'p', layer, direction: v }],
          edits: [
            i % 3 === 0
              ? { op: 'add', layer, direction: v, coefficient: i % 2 ? 0.5 : -0.5, scope: 'all' }
              : i % 3 === 1
                ? { op: 'ablate', layer, direction: v }
                : { op: 'cap', layer, direction: v, above: 0, scope: 'all' },
          ],
        };
      }),
    );
    const alone: EngineResult[] = [];
    for (const request of requests) alone.push(await engine.run(request));
    const together = await Promise.all(requests.map((request) => engine.run(request)));
    together.forEach((result, i) => {
      expect(result.editsApplied).toEqual(alone[i]!.editsApplied);
      expectSameReads(result, alone[i]!, TOLERANCE);
      expectClose(likelihoods(result), likelihoods(alone[i]!), TOLERANCE);
    });
    // while writing, the sixteen share every step
    const texts = await Promise.all(
      requests.map(({ prompt, edits, projections }) =>
        engine.run({ prompt, edits: edits!, projections: projections!, maxTokens: 8, ...GREEDY }),
      ),
    );
    const alonePlain = await engine.run({ prompt: ask(0), maxTokens: 8, ...GREEDY });
    expect(texts[0]!.tokens).not.toEqual(alonePlain.tokens);
    texts.forEach((result, i) => {
      const edit = requests[i]!.edits![0]!;
      if (edit.op === 'cap') for (const x of result.projections![0]!.tokens) expect(x).toBeLessThan(1e-2);
      if (edit.op === 'ablate')
        for (const x of result.projections![0]!.tokens) expect(Math.abs(x)).toBeLessThan(1e-2);
    });
  });

  test("greedy text under our add is that under llama.cpp's control vector", async () => {
    const { layers, width } = engine.info;
    const layer = layers >> 1;
    const v = await direction(layer, 7, 1);
    const request: EngineRequest = { prompt: ask(1), maxTokens: 20, topLogprobs: 3, ...GREEDY };
    const plain = await engine.run(request);
    const ours = await engine.run({
      ...request,
      edits: [{ op: 'add', layer, direction: v, coefficient: 0.4, scope: 'all' }],
    });
    const data = new Float32Array((layers - 1) * width);
    data.set(
      v.map((x) => 0.4 * x),
      (layer - 1) * width,
    );
    await engine.setControlVector(data, layer, layer);
    const theirs = await engine.run(request);
    await engine.setControlVector(null, 1, 1);
    expect(ours.tokens).toEqual(theirs.tokens);
    expectClose(likelihoods(ours), likelihoods(theirs), 1e-3);
    expectApart(likelihoods(ours), likelihoods(plain));
    expect((await engine.run(request)).tokens).toEqual(plain.tokens);
  });

  test('after a kill the same request gives the same text', async () => {
    const request: EngineRequest = { prompt: ask(2), maxTokens: 12, sampling: { seed: 3 } };
    const before = await engine.run({ ...request, sharePrefix: false });
    const lost = engine.run(
      { ...request, maxTokens: 200, ignoreEnd: true },
      {
        onEvents: () => process.kill(engine.pid!, 'SIGKILL'),
      },
    );
    await expect(lost).rejects.toMatchObject({ code: 'ENGINE_CRASHED' });
    expect((await engine.run({ ...request, sharePrefix: false })).tokens).toEqual(before.tokens);
  });
});
