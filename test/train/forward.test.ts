/** The training graph is the model: its losses are the engine's log-probabilities, edited and unedited. */

import { describe, expect, test } from 'vitest';
import { openEngine } from '../../src/engine/engine.ts';
import type { Edit } from '../../src/engine/request.ts';
import type { LayerEdit } from '../../src/engine/training/edit.ts';
import type { TrainingMemory } from '../../src/engine/training/memory.ts';
import { type PassSample, runPass } from '../../src/engine/training/pass.ts';
import { isPersonaError } from '../../src/errors.ts';
import { readGguf } from '../../src/model/gguf-read.ts';
import { architectureOf } from '../../src/train/architecture.ts';
import { readCanary } from '../../src/train/canary.ts';
import { expectApart, expectClose, temporaryFolder, tinyModelFile } from '../engine/tiny-engine.ts';
import { TINY_OPTIONS } from '../engine/tiny-values.ts';
import { TINY } from '../tiny/tiny-model.ts';
import {
  ARCHITECTURES,
  bothEdits,
  randomFactors,
  randomSample,
  randomUnit,
  tinyMemory,
} from './tiny-training.ts';

const folder = temporaryFolder();

/** Absolute, in nats. llama.cpp's GELU is a table in half precision, the trainer's is exact. */
const tolerance = (architecture: string): number => (architecture === 'gemma3' ? 5e-3 : 1e-4);

/** The second is longer than gemma's window. */
const SAMPLES = [randomSample(9, 1), randomSample(TINY.window + 36, 2), randomSample(2, 3)];

/** −log p of every token but each sample's first, by the engine. */
async function engineLosses(
  architecture: (typeof ARCHITECTURES)[number],
  edits: Edit[] = [],
): Promise<number[]> {
  const modelPath = await tinyModelFile(folder.path, architecture);
  await using engine = await openEngine({ ...TINY_OPTIONS, modelPath });
  const losses: number[] = [];
  for (const { tokens } of SAMPLES) {
    const [first, ...answer] = tokens;
    const { logprobs } = await engine.run({ prompt: [first!], answer, edits, topLogprobs: 0 });
    losses.push(...logprobs!.map(({ logprob }) => -logprob));
  }
  return losses;
}

const losses = (memory: TrainingMemory, edits: LayerEdit[] = [], samples = SAMPLES): Float32Array =>
  runPass(memory, { samples, edits }).losses;

function expectNear(actual: ArrayLike<number>, expected: ArrayLike<number>, within: number): void {
  expect(actual.length).toBe(expected.length);
  for (let i = 0; i < expected.length; i++)
    expect(Math.abs(actual[i]! - expected[i]!), `token ${i}`).toBeLessThan(within);
}

describe.each(ARCHITECTURES)('%s', (architecture) => {
  test("losses are the engine's log-probabilities, also beyond a window", async () => {
    using memory = await tinyMemory(folder.path, architecture);
    const expected = await engineLosses(architecture);
    expect(expected).toHaveLength(8 + TINY.window + 35 + 1);
    expectNear(losses(memory), expected, tolerance(architecture));
  });

  test('an added vector and a removed direction do what the engine does to all positions', async () => {
    using memory = await tinyMemory(folder.path, architecture);
    const [add, ablate] = bothEdits(TINY.width);
    const expected = await engineLosses(architecture, [
      { op: 'add', layer: 0, direction: add!.add!, coefficient: 1, scope: 'all' },
      { op: 'ablate', layer: 1, direction: ablate!.ablate!, scope: 'all' },
    ]);
    const edited = losses(memory, bothEdits(TINY.width));
    expectNear(edited, expected, tolerance(architecture));
    expectApart(edited, losses(memory));
  });

  test('packed samples do not see each other', async () => {
    using memory = await tinyMemory(folder.path, architecture);
    const alone = SAMPLES.flatMap((sample) => [...losses(memory, [], [sample])]);
    expectNear(losses(memory), alone, 1e-5);
    expectNear(losses(memory, [], SAMPLES.toReversed()).toReversed(), lossesReversed(alone), 1e-5);
  });
});

/** By sample in reverse, read backwards: what a reversed pack gives when it is read backwards. */
function lossesReversed(alone: readonly number[]): number[] {
  let at = 0;
  return SAMPLES.flatMap(({ tokens }) => alone.slice(at, (at += tokens.length - 1)).toReversed());
}

test('factors whose B is zero leave the model as it is, and others do not', async () => {
  using memory = await tinyMemory(folder.path, 'qwen3');
  using factors = randomFactors(memory, { rank: 4 });
  const lora = { rank: 4, scale: 2 };
  const base = losses(memory);
  expectApart(runPass(memory, { samples: SAMPLES, factors, lora }).losses, base);
  for (const block of factors.blocks)
    for (const group of block)
      for (const b of group!.b.values()) factors.write(b, new Float32Array(b.length));
  expectNear(runPass(memory, { samples: SAMPLES, factors, lora }).losses, base, 1e-6);
});

test('only learnt tokens have a loss, in their order', async () => {
  using memory = await tinyMemory(folder.path, 'llama');
  const all = losses(memory, [], [randomSample(12, 1), randomSample(8, 2)]);
  const some: PassSample[] = [randomSample(12, 1, 9), randomSample(8, 2, 8), randomSample(8, 2)];
  some[2]!.learnt.fill(0).fill(1, 3, 5); // tokens 3 and 4
  expectClose(losses(memory, [], some), [...all.slice(8, 11), ...all.slice(11 + 2, 11 + 4)], 1e-5);
});

test('reads are of the residual stream after the block and its edits', async () => {
  using memory = await tinyMemory(folder.path, 'llama');
  const modelPath = await tinyModelFile(folder.path, 'llama');
  await using engine = await openEngine({ ...TINY_OPTIONS, modelPath });
  const direction = randomUnit(TINY.width, 5);
  const read = (edits: LayerEdit[]): number[] =>
    SAMPLES.map((sample, i) => {
      const places = [{ sample: i, token: sample.tokens.length - 1 }];
      const { reads } = runPass(memory, {
        samples: SAMPLES,
        edits,
        loss: false,
        reads: [{ layer: 2, places }],
      });
      return reads[0]!.reduce((sum, x, j) => sum + x * direction[j]!, 0);
    });
  const projections: number[] = [];
  for (const { tokens } of SAMPLES) {
    const asked = { name: 'v', layer: 2, direction };
    const result = await engine.run({ prompt: [...tokens], answer: [], projections: [asked] });
    projections.push(result.projections![0]!.prompt);
  }
  expectClose(read([]), projections, 1e-4);
  const edit = { layer: 2, add: direction.map((x) => 3 * x) };
  expectClose(
    read([edit]),
    projections.map((p) => p + 3),
    1e-4,
  );
});

describe('canary', () => {
  const sample = randomSample(40, 1);
  test('tells what each edit leaves along its direction', async () => {
    using memory = await tinyMemory(folder.path, 'gemma3');
    const [add, ablate] = readCanary(memory, bothEdits(TINY.width), sample);
    expect(add).toMatchObject({ layer: 0, op: 'add', expected: expect.closeTo(2, 5) });
    expect(add!.got).toBeCloseTo(2, 3);
    expect(ablate).toMatchObject({ layer: 1, op: 'ablate', expected: 0 });
    expect(ablate!.got).toBeCloseTo(0, 3);
  });

  test.each([
    ['a vector of zeros', { layer: 1, add: new Float32Array(TINY.width) }],
    ['a vector with something that is no number', { layer: 1, add: new Float32Array(TINY.width).fill(NaN) }],
    [
      'a direction that is not of length 1',
      { layer: 1, ablate: randomUnit(TINY.width, 3).map((x) => x / 2) },
    ],
  ])('fails for %s', async (_, edit) => {
    using memory = await tinyMemory(folder.path, 'llama');
    let error: unknown;
    try {
      readCanary(memory, [edit], sample);
    } catch (thrown) {
      error = thrown;
    }
    expect(isPersonaError(error) && error.code).toBe('CANARY');
    expect((error as Error).message).toContain('layer 1');
  });
});

test('other architectures are refused by name', async () => {
  const path = await tinyModelFile(folder.path, 'qwen3moe');
  const file = await readGguf(path);
  expect(() => architectureOf(file)).toThrow('training does not know architecture qwen3moe');
});
