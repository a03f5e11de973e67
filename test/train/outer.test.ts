/** The product that sums over tokens, against the same sum written out. */

import { expect, test } from 'vitest';
import { TrainingGraph } from '../../src/engine/training/graph.ts';
import { temporaryFolder } from '../engine/tiny-engine.ts';
import { noise, noiseArray } from '../tiny/noise.ts';
import { tinyMemory } from './tiny-training.ts';

const folder = temporaryFolder();

test('outer is Σ over ne1, whether its sides are turned first, as for GPUs, or not, also of what is seen across', async () => {
  using memory = await tinyMemory(folder.path, 'llama');
  const [m, n, k, deep] = [70, 5, 37, 2];
  const next = noise(4);
  const [a, b] = [noiseArray(next, m * k * deep, 1), noiseArray(next, n * k * deep, 1)];
  using g = new TrainingGraph(memory.backend, 64);
  const left = g.shape3(g.input('f32', a, m, k * deep), m, k, deep);
  const right = g.shape3(g.input('f32', b, n, k * deep), n, k, deep);
  const turned = g.transposed(right); // [k, n, deep]
  const outs = [
    g.outer(left, right),
    g.outer(left, g.across(turned)),
    g.multiply(g.transposed(left), g.transposed(g.across(turned))),
  ].map((tensor) => g.output(tensor));
  g.compute(memory.allocator);
  for (const out of outs) {
    const numbers = memory.backend.read(out, m * n * deep);
    for (let d = 0; d < deep; d++)
      for (let j = 0; j < n; j++)
        for (let i = 0; i < m; i++) {
          let expected = 0;
          for (let t = 0; t < k; t++) expected += a[(d * k + t) * m + i]! * b[(d * k + t) * n + j]!;
          expect(numbers[(d * n + j) * m + i]).toBeCloseTo(expected, 4);
        }
  }
});
