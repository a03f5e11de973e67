/**
 * The training graph on a GPU beside the same one on the CPU. Runs where the library sees a GPU: with one of llama.cpp's
 * GPU packages installed; a software device will do (Mesa's llvmpipe, with GGML_VK_VISIBLE_DEVICES=0).
 */

import { expect, test } from 'vitest';
import { openNative } from '../../src/engine/ffi.ts';
import { deviceOf } from '../../src/engine/ggml.ts';
import { runPass } from '../../src/engine/training/pass.ts';
import { temporaryFolder } from '../engine/tiny-engine.ts';
import { ARCHITECTURES, bothEdits, randomFactors, randomSample, tinyMemory } from './tiny-training.ts';

const folder = temporaryFolder();
/** Kernels of GPUs may multiply in halves. */
const RELATIVE = 0.02;
/** ms; a software device compiles its kernels at first use */
const PATIENCE = 180_000;

function hasGpu(): boolean {
  try {
    deviceOf(openNative(), 'gpu');
    return true;
  } catch {
    return false;
  }
}

test.runIf(hasGpu()).each(ARCHITECTURES)(
  '%s: losses and gradients on the GPU are those on the CPU, packed samples and edits among them',
  async (architecture) => {
    const results = [];
    for (const device of ['cpu', 'gpu'] as const) {
      using memory = await tinyMemory(folder.path, architecture, { sizes: { layers: 3, window: 6 }, device });
      using factors = randomFactors(memory, { rank: 4 });
      const samples = [randomSample(9, 1), randomSample(170, 2, 8), randomSample(4, 3)]; // one in several portions
      const { losses } = runPass(memory, {
        samples,
        lora: { rank: 4, scale: 2 },
        edits: bothEdits(64),
        factors,
        gradients: { weight: 1 },
      });
      results.push({ losses, gradients: factors.all.map((tensor) => factors.read(tensor).gradient) });
    }
    const [cpu, gpu] = results as [(typeof results)[0], (typeof results)[0]];
    const apart = (a: Float32Array, b: Float32Array): number =>
      Math.hypot(...a.map((x, i) => x - b[i]!)) / Math.hypot(...a);
    expect(apart(cpu.losses, gpu.losses)).toBeLessThan(RELATIVE);
    for (const [i, gradient] of cpu.gradients.entries())
      expect(apart(gradient, gpu.gradients[i]!), `tensor ${i}`).toBeLessThan(RELATIVE);
  },
  PATIENCE,
);
