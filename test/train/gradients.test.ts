/** The whole loss's gradients against finite differences, in f32, on tiny models of all architectures. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Factors } from '../../src/engine/training/factors.ts';
import { TARGETS } from '../../src/engine/training/architecture.ts';
import type { TrainingMemory } from '../../src/engine/training/memory.ts';
import { type PassOptions, runPass } from '../../src/engine/training/pass.ts';
import { random } from '../../src/math/random.ts';
import { expectClose, temporaryFolder } from '../engine/tiny-engine.ts';
import { checkGradient, type Checked } from './finite-differences.ts';
import {
  ARCHITECTURES,
  bothEdits,
  randomFactors,
  randomSample,
  summedLoss,
  tinyMemory,
} from './tiny-training.ts';

const folder = temporaryFolder();
const RELATIVE = 1e-3;

/** By tensor of the factors: how its gradient fares. @param options of each pass anew */
function check(memory: TrainingMemory, factors: Factors, options: () => PassOptions): Checked[] {
  factors.clearGradients();
  runPass(memory, { ...options(), factors, gradients: { weight: 1 } });
  const read = factors.all.map((tensor) => factors.read(tensor));
  const size = summedLoss(memory, { ...options(), factors });
  return factors.all.map((tensor, i) => {
    const { value, gradient } = read[i]!;
    expect(Math.hypot(...gradient), `tensor ${i} has a gradient`).toBeGreaterThan(0);
    const checked = checkGradient(gradient, { length: Math.hypot(...value), size }, (along, step) => {
      factors.write(
        tensor,
        value.map((x, j) => x + step * along[j]!),
      );
      return summedLoss(memory, { ...options(), factors });
    });
    factors.write(tensor, value);
    return checked;
  });
}

function expectRight(tensors: readonly Checked[], signals = 10): void {
  for (const [i, { error, signal }] of tensors.entries()) {
    expect(error, `tensor ${i}`).toBeLessThan(RELATIVE);
    expect(signal, `tensor ${i}: rounding does not hide it`).toBeGreaterThan(signals);
  }
}

const LORA = { rank: 4, scale: 2 };
const SAMPLES = [randomSample(9, 1), randomSample(17, 2, 8), randomSample(4, 3)];
/** a window that samples outgrow */
const SMALL = { layers: 3, window: 6 };

test.each(ARCHITECTURES)(
  '%s: packed samples of unequal lengths, a vector added at one block, a direction removed at another',
  async (architecture) => {
    using memory = await tinyMemory(folder.path, architecture, { sizes: SMALL });
    using factors = randomFactors(memory, { rank: 4 });
    const tensors = check(memory, factors, () => ({ samples: SAMPLES, lora: LORA, edits: bothEdits(64) }));
    expect(tensors).toHaveLength(3 * 11);
    expectRight(tensors);
  },
);

test('with dropout: the same mask forward and back', async () => {
  using memory = await tinyMemory(folder.path, 'llama', { sizes: SMALL });
  using factors = randomFactors(memory, { rank: 4 });
  const tokens = SAMPLES.reduce((sum, sample) => sum + sample.tokens.length, 0);
  const draw = random(3);
  const pool = Float32Array.from({ length: 128 * tokens + 64 }, () => (draw.uniform() < 0.5 ? 0 : 2));
  const tensors = check(memory, factors, () => {
    let at = 0;
    return { samples: SAMPLES, lora: LORA, dropout: { pool, offsets: () => (at = (at + 7) % 64) } };
  });
  expectRight(tensors);
});

test.each(TARGETS)('only %s has factors', async (target) => {
  // what other matrices' gradients would need is then not computed, and ggml puts memory to other uses
  using memory = await tinyMemory(folder.path, 'llama', { sizes: { layers: 2 } });
  using factors = randomFactors(memory, { rank: 4, targets: [target] });
  expectRight(check(memory, factors, () => ({ samples: SAMPLES, lora: LORA })));
});

test('whatever the sizes, head counts, group sizes, ranks, targets and lengths', async () => {
  const shapes = fc.record({
    architecture: fc.constantFrom(...ARCHITECTURES),
    layers: fc.integer({ min: 1, max: 2 }),
    width: fc.integer({ min: 3, max: 12 }).map((n) => 4 * n),
    kvHeads: fc.integer({ min: 1, max: 3 }),
    together: fc.integer({ min: 1, max: 4 }),
    headWidth: fc.integer({ min: 1, max: 5 }).map((n) => 4 * n),
    feedForward: fc.integer({ min: 2, max: 20 }).map((n) => 4 * n),
    window: fc.integer({ min: 2, max: 8 }),
    rank: fc.integer({ min: 1, max: 6 }),
    targets: fc.subarray([...TARGETS], { minLength: 1 }),
    lengths: fc.array(fc.integer({ min: 3, max: 9 }), { minLength: 1, maxLength: 4 }),
    seed: fc.nat(1000),
  });
  await fc.assert(
    fc.asyncProperty(shapes, async ({ architecture, together, rank, targets, lengths, seed, ...sizes }) => {
      const heads = sizes.kvHeads * together;
      using memory = await tinyMemory(folder.path, architecture, { seed, sizes: { ...sizes, heads } });
      using factors = randomFactors(memory, { rank, targets, seed });
      const samples = lengths.map((length, i) => randomSample(length, seed + i));
      expectRight(
        check(memory, factors, () => ({ samples, lora: { rank, scale: 1.5 } })),
        0,
      );
    }),
    { numRuns: 20 },
  );
});

test('gradients of passes add up, and are those of all samples in one pass', async () => {
  using memory = await tinyMemory(folder.path, 'qwen3');
  using factors = randomFactors(memory, { rank: 4 });
  const gradientsOf = (passes: (typeof SAMPLES)[]): Float32Array[] => {
    factors.clearGradients();
    for (const samples of passes)
      runPass(memory, { samples, factors, lora: LORA, gradients: { weight: 0.1 } });
    return factors.all.map((tensor) => factors.read(tensor).gradient);
  };
  const together = gradientsOf([SAMPLES]);
  const apart = gradientsOf(SAMPLES.map((sample) => [sample]));
  together.forEach((gradient, i) => expectClose(apart[i], gradient, 1e-5, `tensor ${i}`));
});

test('losses and gradients are the same bits whatever the number of threads', async () => {
  const results: Float32Array[][] = [];
  for (const threads of [1, 2]) {
    using memory = await tinyMemory(folder.path, 'gemma3', { threads, sizes: { layers: 1 } });
    using factors = randomFactors(memory, { rank: 4 });
    const pass = { samples: SAMPLES, factors, lora: LORA };
    const { losses } = runPass(memory, { ...pass, gradients: { weight: 1 } });
    results.push([losses, ...factors.all.map((tensor) => factors.read(tensor).gradient)]);
  }
  for (const result of results.slice(1)) expect(result).toEqual(results[0]);
});
