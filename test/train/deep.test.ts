/**
 * ggml's allocator of graphs keeps track of 256 holes in its memory at most, and ends the process beyond: what stays
 * for the way back, and the many lengths of many samples, must not leave more.
 */

import { expect, test } from 'vitest';
import { random } from '../../src/math/random.ts';
import { TARGETS } from '../../src/engine/training/architecture.ts';
import { Factors } from '../../src/engine/training/factors.ts';
import { TrainingMemory } from '../../src/engine/training/memory.ts';
import { runPass } from '../../src/engine/training/pass.ts';
import { readGguf } from '../../src/model/gguf-read.ts';
import { architectureOf, weightsOf } from '../../src/train/architecture.ts';
import { temporaryFolder } from '../engine/tiny-engine.ts';
import { writeTinyModel } from '../tiny/tiny-model.ts';

const folder = temporaryFolder();

// as many samples as are packed at each depth
test.each([
  { blocks: 126, samples: 1, from: 400, to: 401 },
  { blocks: 80, samples: 3, from: 20, to: 300 },
  { blocks: 30, samples: 8, from: 20, to: 180 },
  { blocks: 16, samples: 15, from: 3, to: 90 },
])('$blocks blocks, $samples samples of $from to $to tokens', async ({ blocks, samples, from, to }) => {
  const path = `${folder.path}/deep-${blocks}.gguf`;
  await writeTinyModel({ path, architecture: 'llama', sizes: { layers: blocks } });
  const file = await readGguf(path);
  using memory = new TrainingMemory(architectureOf(file), weightsOf(file), { threads: 1 });
  using factors = new Factors(memory.backend, memory.weights.architecture, { rank: 2, targets: TARGETS });
  const draw = random(blocks + samples);
  for (const tensor of factors.all)
    factors.write(
      tensor,
      Float32Array.from({ length: tensor.length }, () => 0.1 * draw.normal()),
    );
  factors.clearGradients();
  const { vocabulary } = memory.weights.architecture;
  const texts = Array.from({ length: samples }, () => {
    const length = from + draw.below(to - from);
    const tokens = Int32Array.from({ length }, () => draw.below(vocabulary));
    return { tokens, learnt: new Uint8Array(length).fill(1, length >> 1) };
  });
  const { losses } = runPass(memory, {
    samples: texts,
    factors,
    lora: { rank: 2, scale: 1 },
    gradients: { weight: 0.01 },
  });
  expect(losses.every((loss) => loss > 0)).toBe(true);
  const { gradient } = factors.read(factors.all[0]!);
  expect(gradient.some((x) => x !== 0)).toBe(true);
  expect(gradient.every(Number.isFinite)).toBe(true);
});
