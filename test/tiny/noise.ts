/** Reproducible random numbers for tiny models: the same on every machine, since only exact arithmetic is used. */

/** Calls give independent numbers with mean 0 and variance 1, uniform on ±√3. (mulberry32) */
export function noise(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    const unit = ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
    return (2 * unit - 1) * Math.sqrt(3);
  };
}

export function noiseArray(next: () => number, length: number, deviation: number, mean = 0): Float32Array {
  return Float32Array.from({ length }, () => mean + deviation * next());
}
