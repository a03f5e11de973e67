/** Options, directions, prompts and reads for tiny models; plain values, for child processes too. */
import type { OpenOptions } from '../../src/engine/engine.ts';
import type { EngineRequest } from '../../src/engine/request.ts';
import { noise, noiseArray } from '../tiny/noise.ts';
import { TINY } from '../tiny/tiny-model.ts';

/** Small enough that prompts come in pieces; an f32 cache, so that results differ by rounding only. */
export const TINY_OPTIONS: Omit<OpenOptions, 'modelPath'> = {
  parallel: 4,
  context: 256,
  batch: 16,
  threads: 1,
  cacheType: 'f32',
};

export function randomDirection(seed: number, length = 1): Float32Array {
  const values = noiseArray(noise(seed), TINY.width, 1);
  const norm = Math.sqrt(values.reduce((sum, x) => sum + x * x, 0));
  return values.map((x) => (length * x) / norm);
}

/** Token ids of random bytes: every tiny vocabulary has more than 256 tokens. */
export function randomPrompt(seed: number, length: number): number[] {
  const next = noise(seed);
  // letters and spaces: of the byte tokenizer ids 97 … 122, and tokens as any other in the character tokenizer
  return Array.from({ length }, () => 97 + Math.floor(13 * (next() / Math.sqrt(3) + 1)));
}

export const GREEDY = { sampling: { temperature: 0 }, ignoreEnd: true } as const;

/** All there is to read: means of all kinds at all layers, and a projection of every token at every layer. */
export function readAll(side: 'before' | 'after' = 'after'): Pick<EngineRequest, 'means' | 'projections'> {
  return {
    means: { layers: 'all', kinds: ['response_avg', 'prompt_avg', 'prompt_last'], side },
    projections: Array.from({ length: TINY.layers }, (_, layer) => ({
      name: `layer ${layer} ${side}`,
      layer,
      direction: randomDirection(100 + layer),
      side,
      prompt: true,
    })),
  };
}
