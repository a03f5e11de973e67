/** On every kind of model: reads while writing, prefix sharing, and mixed batches give what a request alone gives. */
import { describe, expect, test } from 'vitest';
import type { Edit, EngineRequest, EngineResult } from '../../src/engine/request.ts';
import { TINY, TINY_ARCHITECTURES } from '../tiny/tiny-model.ts';
import {
  expectApart,
  expectClose,
  expectSameReads,
  likelihoods,
  temporaryFolder,
  useTiny,
} from './tiny-engine.ts';
import { GREEDY, randomDirection, randomPrompt, readAll } from './tiny-values.ts';

const folder = temporaryFolder();
const last = TINY.layers - 1;

/** Sixteen different steerings: every operation, layer, scope and kind of condition is among them. */
const steerings: Edit[][] = Array.from({ length: 16 }, (_, i) => {
  const direction = randomDirection(200 + i, 1 + (i % 3));
  const layer = i % TINY.layers;
  const scope = (['response', 'all', 'generated', 'prompt', 'last_prompt'] as const)[i % 5]!;
  const when = i % 4 === 3 ? { when: { direction: randomDirection(300 + i), above: -0.1 } } : {};
  const edits: Edit[] = [
    [{ op: 'add', layer, scope, direction, coefficient: i % 2 ? 2 : -2, ...when } as const],
    [{ op: 'ablate', layer, scope, direction, ...when } as const],
    [{ op: 'cap', layer, scope, direction, above: -0.2, ...when } as const],
    [{ op: 'cap', layer, scope, direction, below: 0.3, ...when } as const],
  ][(i >> 1) % 4]!;
  return i === 15 ? [...edits, { op: 'add', layer: 0, scope: 'all', direction, coefficient: 1 }] : edits;
});

describe.each(TINY_ARCHITECTURES)('%s', { timeout: 60_000 }, (architecture) => {
  const byCallback = useTiny(folder, architecture, { readVia: 'callback', parallel: 16 });
  const byBest = useTiny(folder, architecture, { parallel: 16 });

  test('loads, and the canary passes', () => {
    const { engine } = byBest;
    expect(engine.info).toMatchObject({
      architecture,
      layers: TINY.layers,
      width: TINY.width,
      parallel: 16,
      readsVia: ['llama', 'qwen3', 'qwen3moe'].includes(architecture) ? 'layer_input' : 'callback',
    });
    expect(byCallback.engine.info.readsVia).toBe('callback');
    expect(engine.canary!.error).toBeLessThan(1e-3);
    expect(byCallback.engine.canary!.error).toBeLessThan(1e-3);
  });

  test('what is read while writing is what a second pass reads, both ways', async () => {
    const prompt = randomPrompt(1, 37);
    const edits: Edit[] = [{ op: 'add', layer: 1, direction: randomDirection(9), coefficient: 1 }];
    const results: EngineResult[] = [];
    for (const { engine } of [byCallback, byBest]) {
      for (const side of ['after', 'before'] as const) {
        const request: EngineRequest = { prompt, edits, ...readAll(side) };
        const written = await engine.run({ ...request, maxTokens: 12, ...GREEDY });
        expect(written.tokens).toHaveLength(12);
        const read = await engine.run({ ...request, answer: written.tokens });
        expect(read.finishReason).toBe('given');
        expectSameReads(written, read);
        results.push(written);
      }
    }
    expect(results[0]!.tokens).toEqual(results[2]!.tokens);
    expectSameReads(results[2]!, results[0]!);
    expectSameReads(results[3]!, results[1]!);
  });

  test('means are the means of the projections', async () => {
    const request: EngineRequest = { prompt: randomPrompt(2, 20), maxTokens: 7, ...GREEDY, ...readAll() };
    const { means, projections } = await byBest.engine.run(request);
    projections!.forEach(({ layer, prompt, promptTokens, tokens }) => {
      const direction = randomDirection(100 + layer);
      const norm = Math.sqrt(direction.reduce((sum, x) => sum + x * x, 0));
      const along = (mean: Float32Array): number =>
        mean
          .subarray(layer * TINY.width, (layer + 1) * TINY.width)
          .reduce((sum, x, i) => sum + (x * direction[i]!) / norm, 0);
      const average = (values: number[]): number => values.reduce((a, b) => a + b) / values.length;
      expect(along(means!.response_avg!)).toBeCloseTo(average(tokens), 4);
      expect(along(means!.prompt_avg!)).toBeCloseTo(average(promptTokens!), 4);
      expect(along(means!.prompt_last!)).toBeCloseTo(prompt, 4);
    });
  });

  test('a shared beginning changes nothing that is read or written', async () => {
    const { engine } = byBest;
    const beginning = randomPrompt(3, 45);
    const means = { layers: 'all', kinds: ['prompt_avg', 'prompt_last', 'response_avg'] } as const;
    const requests = Array.from({ length: 12 }, (_, i): EngineRequest => ({
      prompt: [...beginning, ...randomPrompt(10 + i, 3 + i)],
      maxTokens: i % 3 === 2 ? 0 : 6,
      ...GREEDY,
      ...(i % 4 === 3 ? {} : { means }),
      ...(i % 2
        ? { edits: [{ op: 'add', layer: 1, scope: 'all', coefficient: 1, direction: randomDirection(5) }] }
        : {}),
    }));
    const alone: EngineResult[] = [];
    for (const request of requests) alone.push(await engine.run({ ...request, sharePrefix: false }));
    expect(alone.every((result) => result.cachedTokens === 0)).toBe(true);
    const together = await Promise.all(requests.map((request) => engine.run(request)));
    together.forEach((result, i) => {
      expect(result.tokens).toEqual(alone[i]!.tokens);
      expectSameReads(result, alone[i]!);
    });
    expect(together.filter((result) => result.cachedTokens >= 45).length).toBeGreaterThanOrEqual(8);
  });

  test.each([
    ['means over all layers', readAll()],
    ['nothing but text', {}],
  ])('sixteen different steerings in one batch act as each does alone, reading %s', async (_, reads) => {
    const { engine } = byBest;
    const requests = steerings.map((edits, i): EngineRequest => ({
      prompt: randomPrompt(20 + i, 5 + 2 * i),
      maxTokens: 10,
      topLogprobs: 2,
      edits,
      sharePrefix: false,
      ...GREEDY,
      ...reads,
    }));
    const alone: EngineResult[] = [];
    for (const request of requests) alone.push(await engine.run(request));
    const together = await Promise.all(requests.map((request) => engine.run(request)));
    together.forEach((result, i) => {
      expect(result.tokens).toEqual(alone[i]!.tokens);
      expect(result.editsApplied).toEqual(alone[i]!.editsApplied);
      expectClose(likelihoods(result), likelihoods(alone[i]!));
      if (result.means) expectSameReads(result, alone[i]!);
    });
  });

  test('an edit changes what it should, and leaves an unedited neighbour alone', async () => {
    const { engine } = byBest;
    const neighbour: EngineRequest = {
      prompt: randomPrompt(4, 30),
      maxTokens: 10,
      sharePrefix: false,
      topLogprobs: 3,
      ...GREEDY,
      ...readAll(),
    };
    const alone = await engine.run(neighbour);
    const edited = (layer: number): EngineRequest => ({
      ...neighbour,
      edits: [{ op: 'add', layer, scope: 'all', direction: randomDirection(6, 8), coefficient: 3 }],
    });
    const [first, beside, atEnd] = await Promise.all(
      [edited(0), neighbour, edited(last)].map((request) => engine.run(request)),
    );
    expect(beside!.tokens).toEqual(alone.tokens);
    expectSameReads(beside!, alone);
    expectClose(likelihoods(beside!), likelihoods(alone));
    expectApart(likelihoods(first!), likelihoods(alone));
    expectApart(likelihoods(atEnd!), likelihoods(alone));
    // an edit of the last layer reaches none before it
    const below = (result: EngineResult): Float32Array =>
      result.means!.prompt_avg!.subarray(0, last * TINY.width);
    expectClose(below(atEnd!), below(alone));
    expectApart(below(first!), below(alone));
  });

  test("our add is llama.cpp's control vector", async () => {
    const { engine } = byBest;
    const prompt = randomPrompt(5, 25);
    const coefficient = 1.5;
    const layersOf = [1, 2, 3];
    const directions = layersOf.map((layer) => randomDirection(40 + layer, 2));
    const request: EngineRequest = { prompt, maxTokens: 12, topLogprobs: 5, ...GREEDY };
    const plain = await engine.run(request);
    const ours = await engine.run({
      ...request,
      edits: layersOf.map((layer, i) => ({
        op: 'add',
        scope: 'all',
        layer,
        direction: directions[i]!,
        coefficient,
      })),
    });
    const data = new Float32Array(last * TINY.width);
    layersOf.forEach((layer, i) =>
      data.set(
        directions[i]!.map((x) => coefficient * x),
        (layer - 1) * TINY.width,
      ),
    );
    await engine.setControlVector(data, 1, last);
    const theirs = await engine.run(request);
    await engine.setControlVector(null, 1, last);
    const after = await engine.run(request);

    expect(ours.tokens).toEqual(theirs.tokens);
    expectClose(likelihoods(ours), likelihoods(theirs));
    expectApart(likelihoods(ours), likelihoods(plain));
    // neither the graph nor a shared prefix remembers the control vector
    expect(after.tokens).toEqual(plain.tokens);
    expectClose(likelihoods(after), likelihoods(plain));
  });

  test('caps hold at every token', async () => {
    const { engine } = byBest;
    const direction = randomDirection(7, 3);
    for (const layer of [0, 2, last]) {
      for (const bounds of [{ above: 0.1 }, { below: 0.4 }, { below: -0.05, above: 0.05 }]) {
        const projection = { layer, direction, prompt: true } as const;
        const { projections, editsApplied } = await engine.run({
          prompt: randomPrompt(8, 20),
          maxTokens: 12,
          ...GREEDY,
          edits: [{ op: 'cap', layer, scope: 'all', direction, ...bounds }],
          projections: [
            { ...projection, name: 'before', side: 'before' },
            { ...projection, name: 'after' },
          ],
        });
        const [before, after] = projections!.map((p) => [...p.promptTokens!, ...p.tokens]);
        const { above = Infinity, below = -Infinity } = bounds;
        after!.forEach((x, i) => {
          expect(x).toBeGreaterThan(below - 1e-5);
          expect(x).toBeLessThan(above + 1e-5);
          expect(x).toBeCloseTo(Math.min(Math.max(before![i]!, below), above), 4);
        });
        const outside = before!.filter((x) => x > above || x < below).length;
        expect(editsApplied).toEqual([outside]);
        expect(outside).toBeGreaterThan(0);
      }
    }
  });

  test('before and after an add differ by just the add, where it acts', async () => {
    const direction = randomDirection(11, 2);
    for (const layer of [0, last]) {
      const projection = { layer, direction, prompt: true } as const;
      const { projections, editsApplied } = await byBest.engine.run({
        prompt: randomPrompt(9, 18),
        maxTokens: 5,
        ...GREEDY,
        edits: [{ op: 'add', layer, scope: 'response', direction, coefficient: 1.5 }],
        projections: [
          { ...projection, name: 'before', side: 'before' },
          { ...projection, name: 'after' },
        ],
      });
      const [before, after] = projections!.map((p) => [...p.promptTokens!, ...p.tokens]);
      expectClose(
        after!.map((x, i) => x - before![i]!),
        [...Array<number>(17).fill(0), ...Array<number>(6).fill(3)],
      );
      expect(editsApplied).toEqual([6]);
    }
  });

  test('what is read early is what a full pass reads, and never serves a deeper request', async () => {
    const { engine } = byBest;
    const prompt = randomPrompt(12, 50);
    const deep: EngineRequest = { prompt: [...prompt, 1, 2], maxTokens: 8, ...GREEDY };
    const expected = await engine.run({ ...deep, sharePrefix: false });
    for (const layer of [0, 1, last]) {
      const reads: Partial<EngineRequest> = {
        means: { layers: [layer], kinds: ['response_avg', 'prompt_avg', 'prompt_last'] },
        projections: [{ name: 'p', layer, direction: randomDirection(13), prompt: true }],
        edits: [{ op: 'add', layer: 0, scope: 'all', direction: randomDirection(14), coefficient: 1 }],
      };
      const answer = randomPrompt(15, 10);
      // log-probabilities need the whole network
      const full = await engine.run({ prompt, answer, topLogprobs: 0, ...reads });
      const [early, beside] = await Promise.all([engine.run({ prompt, answer, ...reads }), engine.run(deep)]);
      expectSameReads(early, full);
      expect(beside.tokens).toEqual(expected.tokens);
      const unedited = { prompt, means: { layers: [layer], kinds: ['prompt_last'] } } as const;
      await engine.run(unedited); // leaves a slot whose upper blocks hold nothing
      expect((await engine.run(deep)).tokens).toEqual(expected.tokens);
      expect((await engine.run(unedited)).cachedTokens).toBe(49); // the other way round it serves
    }
  });

  test('edits above everything that is read are of no account, and no error', async () => {
    const { engine } = byBest;
    const request: EngineRequest = {
      prompt: randomPrompt(16, 20),
      means: { layers: [1], kinds: ['prompt_avg'] },
    };
    const direction = randomDirection(17);
    const above: Edit[] = [1, 2, last].map((layer) => ({
      op: 'add',
      layer,
      scope: 'all',
      direction,
      coefficient: 1,
    }));
    const result = await engine.run({ ...request, edits: above });
    expect(result.editsApplied).toEqual([20, 0, 0]);
    expectSameReads(result, await engine.run({ ...request, edits: above.slice(0, 1) }));
  });
});
