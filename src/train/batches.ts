/** In which order samples come, decided by the seed alone: the same run goes on after a kill as it would have. */

import { random } from '../math/random.ts';

/** Steps of all epochs; the last of an epoch takes what is left. */
export function stepCount(samples: number, { batch, epochs }: { batch: number; epochs: number }): number {
  return Math.ceil(samples / batch) * epochs;
}

/** Seeds of neighbouring epochs must not be those of neighbouring runs. */
const EPOCHS_APART = 1_000_003;

/**
 * The samples of step `step`, by index: each epoch goes through all of them in an order of its own.
 * @param samples how many there are
 */
export function batchOf(
  samples: number,
  step: number,
  { batch, seed }: { batch: number; seed: number },
): number[] {
  const perEpoch = Math.ceil(samples / batch);
  const epoch = Math.floor(step / perEpoch);
  const order = random(seed * EPOCHS_APART + epoch).shuffle(Array.from({ length: samples }, (_, i) => i));
  const from = (step % perEpoch) * batch;
  return order.slice(from, from + batch);
}

/**
 * Blocks × samples of one pass. ggml's allocator of graphs keeps track of 256 holes in its memory and ends the process
 * beyond; each block leaves some, more where samples of many lengths are packed together. Up to here it was seen to go
 * well, from 480 on to fail.
 */
const PACKED = 240;

/**
 * Splits into passes of at most `passTokens` tokens, in order; a longer sample has a pass of its own.
 * @param layers of the model: the deeper, the fewer samples are packed
 */
export function passesOf<T extends { tokens: { length: number } }>(
  samples: readonly T[],
  passTokens: number,
  layers: number,
): T[][] {
  const most = Math.max(1, Math.floor(PACKED / layers));
  const passes: T[][] = [];
  let room = 0;
  for (const sample of samples) {
    const { length } = sample.tokens;
    if (passes.length === 0 || length > room || passes.at(-1)!.length === most) {
      passes.push([]);
      room = passTokens;
    }
    passes.at(-1)!.push(sample);
    room -= length;
  }
  return passes;
}
