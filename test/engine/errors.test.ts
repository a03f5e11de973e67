/** What is refused, with a message that says what to change; and files that are no model. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openEngine } from '../../src/engine/engine.ts';
import { missingLayers } from '../../src/engine/graph-tap.ts';
import type { Edit, EngineRequest } from '../../src/engine/request.ts';
import { TINY } from '../tiny/tiny-model.ts';
import { openTiny, temporaryFolder, tinyModelFile, useTiny } from './tiny-engine.ts';
import { GREEDY, randomDirection, TINY_OPTIONS } from './tiny-values.ts';

const folder = temporaryFolder();

describe('requests', () => {
  const tiny = useTiny(folder, 'llama');
  const direction = randomDirection(1);
  const prompt = 'Hello';
  const add: Edit = { op: 'add', layer: 1, direction, coefficient: 1 };
  const cap: Edit = { op: 'cap', layer: 1, direction, above: 1 };
  const withEdit = (edit: Partial<Edit>): EngineRequest => ({
    prompt,
    edits: [add, { ...add, ...edit }],
  });
  const holed = direction.with(3, NaN);
  const read = { name: 'p', layer: 1, direction };

  test.each([
    [
      'a direction of another width',
      withEdit({ direction: direction.subarray(1) }),
      'BAD_VECTOR',
      'edits[1].direction: width 63, the model has 64',
    ],
    [
      'a direction with NaN',
      withEdit({ direction: holed }),
      'BAD_VECTOR',
      'edits[1].direction: holds values that are not finite',
    ],
    [
      'a direction with Infinity',
      withEdit({ direction: direction.with(0, Infinity) }),
      'BAD_VECTOR',
      'not finite',
    ],
    [
      'a direction of zeros',
      withEdit({ direction: new Float32Array(64) }),
      'BAD_VECTOR',
      'edits[1].direction: all zero',
    ],
    [
      'a condition with NaN',
      withEdit({ when: { direction: holed } }),
      'BAD_VECTOR',
      'edits[1].when.direction',
    ],
    [
      'a condition with a bound of NaN',
      withEdit({ when: { direction, above: NaN } }),
      'USAGE',
      'edits[1].when.above',
    ],
    [
      'a projection of another width',
      { prompt, projections: [{ ...read, direction: new Float32Array(1) }] },
      'BAD_VECTOR',
      'projections[0].direction: width 1',
    ],
    [
      'a layer too high',
      withEdit({ layer: 4 }),
      'USAGE',
      'edits[1].layer: no layer 4 in a model of 4 (0 … 3)',
    ],
    [
      'a negative layer',
      { prompt, projections: [{ ...read, layer: -1 }] },
      'USAGE',
      'projections[0].layer: no layer -1',
    ],
    [
      'half a layer',
      { prompt, means: { layers: [0, 1.5], kinds: ['prompt_avg'] } },
      'USAGE',
      'means.layers[1]: no layer 1.5',
    ],
    [
      'a layer twice',
      { prompt, means: { layers: [2, 1, 2], kinds: ['prompt_avg'] } },
      'USAGE',
      'means.layers[2]: layer 2 is there twice',
    ],
    ['a coefficient of NaN', withEdit({ coefficient: NaN }), 'USAGE', 'edits[1].coefficient'],
    ['a coefficient beyond f32', withEdit({ coefficient: 1e39 }), 'USAGE', 'too large'],
    [
      'a cap without a bound',
      { prompt, edits: [{ op: 'cap', layer: 1, direction }] },
      'USAGE',
      'edits[0]: a cap needs a bound, above or below',
    ],
    [
      'a cap with crossed bounds',
      { prompt, edits: [{ ...cap, below: 2 }] },
      'USAGE',
      'edits[0]: nothing is both at least 2 (below) and at most 1 (above)',
    ],
    [
      'a cap at infinity',
      { prompt, edits: [{ ...cap, above: -Infinity }] },
      'USAGE',
      'edits[0].above must be a finite number',
    ],
    ['an empty prompt', { prompt: '' }, 'USAGE', 'prompt: empty'],
    ['no prompt tokens', { prompt: [] }, 'USAGE', 'prompt: empty'],
    ['a token too high', { prompt: [1, 259] }, 'USAGE', 'prompt[1]: no token 259 in a vocabulary of 259'],
    ['a negative token', { prompt, answer: [-1] }, 'USAGE', 'answer[0]: no token -1'],
    ['half a token', { prompt: [1.5] }, 'USAGE', 'prompt[0]: no token 1.5'],
    [
      'negative maxTokens',
      { prompt, maxTokens: -1 },
      'USAGE',
      'maxTokens must be a whole number, at least 0; got -1',
    ],
    ['half a maxTokens', { prompt, maxTokens: 1.5 }, 'USAGE', 'maxTokens must be a whole number'],
    ['negative topLogprobs', { prompt, topLogprobs: -1 }, 'USAGE', 'topLogprobs'],
    [
      'a negative temperature',
      { prompt, sampling: { temperature: -1 } },
      'USAGE',
      'sampling.temperature must be a finite number, at least 0; got -1',
    ],
    [
      'a top-p above 1',
      { prompt, sampling: { topP: 2 } },
      'USAGE',
      'sampling.topP must be a finite number, at least 0 and at most 1; got 2',
    ],
    [
      'a repeat penalty of 0',
      { prompt, sampling: { repeatPenalty: 0 } },
      'USAGE',
      'sampling.repeatPenalty must be a finite number, above 0; got 0',
    ],
    ['half a seed', { prompt, sampling: { seed: 0.5 } }, 'USAGE', 'sampling.seed'],
    [
      'too many directions',
      { prompt, edits: Array.from({ length: 1025 }, () => add) },
      'USAGE',
      '1025 edits and 0 projections; at most 1024',
    ],
  ] as [string, EngineRequest, string, string][])('%s', async (_, request, code, message) => {
    const failure = await tiny.engine.run(request).catch((error: unknown) => error);
    expect(failure).toMatchObject({ name: 'PersonaError', code });
    expect((failure as Error).message).toContain(message);
    // and nothing is left behind
    expect((await tiny.engine.run({ prompt, maxTokens: 2, ...GREEDY })).tokens).toHaveLength(2);
  });

  test('what does not fit into the context, with the numbers and what to do', async () => {
    const tooLong = tiny.engine.run({ prompt: 'x'.repeat(200), maxTokens: 57 });
    await expect(tooLong).rejects.toMatchObject({
      code: 'CONTEXT_FULL',
      message: 'prompt of 200 tokens + answer of up to 57 = 257; a request has 256',
      remedy: 'shorten the prompt, lower the answer length, or raise --context',
    });
    const fits = { prompt: 'x'.repeat(200), maxTokens: 56, ...GREEDY, projections: [read] };
    expect((await tiny.engine.run(fits)).tokens).toHaveLength(56);
    const given = tiny.engine.run({ prompt, answer: 'x'.repeat(252) });
    await expect(given).rejects.toMatchObject({ code: 'CONTEXT_FULL' });
  });

  test('the whole context can be used by all requests at once', async () => {
    const all = await Promise.all(
      Array.from({ length: 8 }, (_, i) =>
        tiny.engine.run({ prompt: `${i}`.repeat(100), maxTokens: 156, ...GREEDY, projections: [read] }),
      ),
    );
    expect(all.map(({ tokens }) => tokens.length)).toEqual(Array(8).fill(156));
  });

  test('tokens that do not exist have no text', async () => {
    await expect(tiny.engine.detokenize([1, -1])).rejects.toMatchObject({ code: 'USAGE' });
    await expect(tiny.engine.detokenize([10_000])).rejects.toMatchObject({ code: 'USAGE' });
  });

  test('a control vector of another size', async () => {
    await expect(tiny.engine.setControlVector(new Float32Array(5), 1, 3)).rejects.toMatchObject({
      code: 'BAD_VECTOR',
    });
  });

  test('a stream that overflows is an error of its own request only', async () => {
    const axis = new Float32Array(TINY.width).with(5, 1);
    const beyond: Edit = { op: 'add', layer: 0, scope: 'all', direction: axis, coefficient: 3e38 };
    const [overflowed, beside] = await Promise.allSettled([
      tiny.engine.run({ prompt, maxTokens: 5, ...GREEDY, edits: [beyond, beyond] }),
      tiny.engine.run({ prompt, maxTokens: 5, ...GREEDY }),
    ]);
    expect(overflowed).toMatchObject({
      status: 'rejected',
      reason: { code: 'ENGINE_FAILED', remedy: 'lower the coefficients of the edits' },
    });
    expect(beside.status).toBe('fulfilled');
    // the next one in its slot is sound
    const again = await Promise.all(
      Array.from({ length: 4 }, () => tiny.engine.run({ prompt, maxTokens: 5, ...GREEDY })),
    );
    for (const { tokens } of again)
      expect(tokens).toEqual(beside.status === 'fulfilled' && beside.value.tokens);
  });
});

describe('options', () => {
  test.each([
    [{ parallel: 0 }, 'parallel must be a whole number, 1 … 256; got 0'],
    [{ parallel: 257 }, 'got 257'],
    [{ parallel: 1.5 }, 'parallel'],
    [{ context: 0 }, 'context must be'],
    [{ batch: -3 }, 'batch must be'],
    [{ threads: 0 }, 'threads must be'],
  ])('%o', async (options, message) => {
    const opening = openTiny(folder.path, 'llama', options);
    await expect(opening).rejects.toMatchObject({ code: 'USAGE', message: expect.stringContaining(message) });
  });

  test('layer inputs of an architecture that does not give them out', async () => {
    const opening = openTiny(folder.path, 'qwen2', { readVia: 'layer_input' });
    await expect(opening).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message: 'architecture qwen2 does not give out its layer inputs',
    });
  });

  test('layers on a GPU where there is none', async () => {
    const engine = await openTiny(folder.path, 'llama');
    const gpu = engine.info.devices.some((line) => line.includes('layers on ') && !line.includes('the CPU'));
    await engine[Symbol.asyncDispose]();
    if (gpu) return;
    await expect(openTiny(folder.path, 'llama', { gpuLayers: 4 })).rejects.toMatchObject({
      code: 'UNSUPPORTED',
    });
  });

  test('all of 256 sequences', async () => {
    await using engine = await openTiny(folder.path, 'llama', { parallel: 256, context: 64, batch: 64 });
    const results = await Promise.all(
      Array.from({ length: 300 }, () =>
        engine.run({ prompt: 'abc', maxTokens: 3, ...GREEDY, topLogprobs: 0 }),
      ),
    );
    expect(new Set(results.map(({ tokens }) => tokens.join())).size).toBe(1);
  });
});

describe('files', () => {
  const open = async (modelPath: string): Promise<unknown> =>
    openEngine({ ...TINY_OPTIONS, modelPath }).catch((error: unknown) => error);

  test('that are not there', async () => {
    const path = join(folder.path, 'nothing.gguf');
    expect(await open(path)).toMatchObject({ code: 'NOT_FOUND', message: `${path}: no such file` });
  });

  test('that are no model', async () => {
    const path = join(folder.path, 'garbage.gguf');
    await writeFile(path, 'GIF89a and so on'.repeat(100));
    const error = await open(path);
    expect(error).toMatchObject({ code: 'BAD_FILE' });
    expect((error as Error).message).toContain(`${path}: llama.cpp cannot load it: `);
    expect((error as Error).message).toContain('magic');
    await writeFile(path, '');
    expect(await open(path)).toMatchObject({ code: 'BAD_FILE' });
    const directory = join(folder.path, 'directory.gguf');
    await mkdir(directory);
    expect(await open(directory)).toMatchObject({ code: 'BAD_FILE' });
  });

  test.each([0.2, 0.5, 0.9, 0.999])('of which only %d is there', async (share) => {
    const whole = await readFile(await tinyModelFile(folder.path, 'llama'));
    const path = join(folder.path, `truncated-${share}.gguf`);
    await writeFile(path, whole.subarray(0, Math.floor(share * whole.length)));
    const error = await open(path);
    expect(error).toMatchObject({ code: 'BAD_FILE' });
    expect((error as Error).message).toContain(path);
  });
});

test('an architecture that does not name its layers is refused by name', () => {
  expect(missingLayers(new Set([0, 2, 3]), [2, 5], 'odd')).toMatchObject({
    code: 'UNSUPPORTED',
    message: 'architecture odd does not name the output of layer 0, 3 (l_out) in its graph',
    remedy: 'its residual stream can be neither read nor edited; use another model',
  });
  expect(missingLayers(new Set([2]), [2, 2], 'odd').message).toContain('more than once');
});

describe('the canary', () => {
  const direction = randomDirection(3, 5);
  const steered: EngineRequest = {
    prompt: 'Hi',
    maxTokens: 1,
    ...GREEDY,
    edits: [{ op: 'add', layer: 1, direction, coefficient: 1 }],
  };

  // where reads come from the graph itself it is the first step that fails, else the next layer
  test.each([
    ['llama', 1, 'move'],
    ['llama', TINY.layers - 1, 'speak'],
    ['qwen2', 1, 'carry'],
    ['qwen2', TINY.layers - 1, 'speak'],
  ] as const)('on %s, layer %d: edits that do not arrive fail at "%s"', async (architecture, layer, step) => {
    process.env.PERSONA_ENGINE_FAULTS = '1';
    await using engine = await openTiny(folder.path, architecture);
    delete process.env.PERSONA_ENGINE_FAULTS;
    const request = { ...steered, edits: [{ ...steered.edits![0]!, layer }] };
    await engine.run({ ...request, edits: [{ ...request.edits[0]!, direction: randomDirection(4) }] });
    engine.fault('drop_edits');
    const failure = await engine.run(request).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'CANARY' });
    expect((failure as Error).message).toContain(
      `edit at layer ${layer} of ${architecture} failed the canary at "${step}"`,
    );
    // not only once
    await expect(engine.run(request)).rejects.toMatchObject({ code: 'CANARY' });
    // who reads only is not concerned
    expect((await engine.run({ prompt: 'Hi', maxTokens: 1, ...GREEDY })).tokens).toHaveLength(1);
  });

  test('faults are obeyed only where the environment says so', async () => {
    await using engine = await openTiny(folder.path, 'llama');
    engine.fault('drop_edits');
    engine.fault('native_abort');
    expect((await engine.run(steered)).tokens).toHaveLength(1);
  });

  test('can be left out', async () => {
    await using engine = await openTiny(folder.path, 'llama', { canary: false });
    expect(engine.canary).toBeUndefined();
    expect((await engine.run(steered)).editsApplied).toEqual([1]);
  });
});
