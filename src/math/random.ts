/** Seeded random numbers: xoshiro128** (Blackman & Vigna), the same on every machine. Not for secrets. */

export interface Random {
  /** 32 random bits, 0 … 2³² − 1 */
  bits(): number;
  /** 0 ≤ x < 1, on a grid of 2⁻⁵³ */
  uniform(): number;
  /** an integer 0 … n − 1, each equally likely; n up to 2³² */
  below(n: number): number;
  /** standard normal */
  normal(): number;
  /** puts the items into a random order, in place */
  shuffle<T extends { length: number; [index: number]: unknown }>(items: T): T;
}

const GOLDEN = 0x9e3779b9; // 2³²/φ: neighbouring seeds land far apart

/** A bijection of 32-bit integers in which each input bit moves each output bit (the mixer of splitmix32). */
function mix(x: number): number {
  x = Math.imul(x ^ (x >>> 16), 0x21f0aaad);
  x = Math.imul(x ^ (x >>> 15), 0x735a2d97);
  return (x ^ (x >>> 15)) >>> 0;
}

function rotl(x: number, k: number): number {
  return (x << k) | (x >>> (32 - k));
}

/** One step of xoshiro128**, state (4). The state [1, 2, 3, 4] gives 11520, 0, 5927040, 70819200, … */
export function xoshiro128(state: Uint32Array): number {
  const out = Math.imul(rotl(Math.imul(state[1]!, 5), 7), 9) >>> 0;
  const t = state[1]! << 9;
  state[2]! ^= state[0]!;
  state[3]! ^= state[1]!;
  state[1]! ^= state[2]!;
  state[0]! ^= state[3]!;
  state[2]! ^= t;
  state[3] = rotl(state[3]!, 11);
  return out;
}

/** A generator that a seed decides wholly. Seeds are integers up to 2⁵³; each gives another state. */
export function random(seed: number): Random {
  if (!Number.isSafeInteger(seed)) throw new RangeError(`expected an integer as seed, got ${seed}`);
  const low = seed >>> 0;
  const high = Math.floor(seed / 2 ** 32);
  const other = low ^ mix(high + GOLDEN);
  const state = new Uint32Array([
    mix(low + GOLDEN),
    mix(low + 2 * GOLDEN), // unlike the first word, so that the state is never all zero
    mix(other + 3 * GOLDEN),
    mix(other + 4 * GOLDEN),
  ]);

  function bits(): number {
    return xoshiro128(state);
  }
  function uniform(): number {
    const upper = bits() >>> 5; // 27 bits
    const lower = bits() >>> 6; // 26 bits
    return (upper * 2 ** 26 + lower) / 2 ** 53;
  }
  function below(n: number): number {
    if (!(Number.isInteger(n) && n >= 1 && n <= 2 ** 32))
      throw new RangeError(`expected an integer from 1 to 2^32, got ${n}`);
    const fair = 2 ** 32 - (2 ** 32 % n); // bits from here on would favour small results
    let draw = bits();
    while (draw >= fair) draw = bits();
    return draw % n;
  }
  function normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - uniform())); // Box–Muller; 1 − u is never 0
    return radius * Math.cos(2 * Math.PI * uniform());
  }
  function shuffle<T extends { length: number; [index: number]: unknown }>(items: T): T {
    for (let i = items.length - 1; i > 0; i--) {
      const j = below(i + 1);
      const held = items[i];
      items[i] = items[j];
      items[j] = held;
    }
    return items;
  }
  return { bits, uniform, below, normal, shuffle };
}
