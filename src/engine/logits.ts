/** Arithmetic over one row of logits, (vocabulary). It runs once for every token of every answer, so it is quick. */

const STEPS = 1024;
const FINE = Float64Array.from({ length: STEPS }, (_, i) => 2 ** (-i / STEPS));
/** e^−746 is 0. */
const SMALLEST = 746;
const COARSE = Float64Array.from({ length: 1077 }, (_, i) => 2 ** -i);
const STEPS_PER_NAT = STEPS / Math.LN2;
const NATS_PER_STEP = Math.LN2 / STEPS;

/** e^−x for x ≥ 0: 2^−n/1024 from tables, and two terms for the rest. Within 1e-10, in a fifth of Math.exp's time. */
function expOfMinus(x: number): number {
  const bounded = Math.min(x, SMALLEST);
  const n = (bounded * STEPS_PER_NAT) | 0;
  const rest = n * NATS_PER_STEP - bounded;
  return COARSE[n >> 10]! * FINE[n & (STEPS - 1)]! * (1 + rest * (1 + rest * 0.5));
}

export function indexOfLargest(logits: Float32Array): number {
  let at = 0;
  let max = -Infinity;
  for (let i = 0; i < logits.length; i++) {
    if (logits[i]! <= max) continue;
    max = logits[i]!;
    at = i;
  }
  return at;
}

/** log Σ exp(logits) */
export function logSumExp(logits: Float32Array): number {
  const max = logits[indexOfLargest(logits)]!;
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += expOfMinus(max - logits[i]!);
  return max + Math.log(sum);
}

export interface Ranked {
  token: number;
  logit: number;
}

/** The n largest, largest first; of equal ones the first. Keeps a heap of the n best so far, the worst on top. */
export function largest(logits: Float32Array, n: number): Ranked[] {
  const size = Math.min(n, logits.length);
  if (size === 0) return [];
  const heap = Int32Array.from({ length: size }, (_, i) => i);
  for (let i = (size >> 1) - 1; i >= 0; i--) sink(heap, i, logits);
  let worst = logits[heap[0]!]!;
  for (let i = above(logits, size, worst); i < logits.length; i = above(logits, i + 1, worst)) {
    heap[0] = i;
    sink(heap, 0, logits);
    worst = logits[heap[0]]!;
  }
  return Array.from(heap, (token) => ({ token, logit: logits[token]! })).sort(
    (a, b) => b.logit - a.logit || a.token - b.token,
  );
}

/** The next index with a logit above this. */
function above(logits: Float32Array, from: number, bound: number): number {
  for (let i = from; i < logits.length; i++) if (logits[i]! > bound) return i;
  return logits.length;
}

function sink(heap: Int32Array, from: number, logits: Float32Array): void {
  const moved = heap[from]!;
  let at = from;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && isWorse(heap[child + 1]!, heap[child]!, logits)) child++;
    if (!isWorse(heap[child]!, moved, logits)) break;
    heap[at] = heap[child]!;
    at = child;
  }
  heap[at] = moved;
}

function isWorse(a: number, b: number, logits: Float32Array): boolean {
  return logits[a]! < logits[b]! || (logits[a] === logits[b] && a > b);
}

/** Bins for the search of the nucleus' edge, per nat below the largest; the last bin holds all further down. */
const BINS_PER_NAT = 32;
const BINS = 1024;

/**
 * The smallest logit of the nucleus: the fewest likeliest tokens that together have probability p. Sums the weights in
 * bins by logit, and sorts only the bin in which p is reached; so it costs the same for a flat distribution.
 */
export function nucleusFloor(logits: Float32Array, p: number): number {
  const max = logits[indexOfLargest(logits)]!;
  const bins = new Float64Array(BINS);
  for (let i = 0; i < logits.length; i++) bins[binOf(max - logits[i]!)]! += expOfMinus(max - logits[i]!);
  const enough = p * bins.reduce((sum, weight) => sum + weight);
  let sum = 0;
  let edge = 0;
  while (edge < BINS - 1 && sum + bins[edge]! < enough) sum += bins[edge++]!;
  const within: number[] = [];
  for (let i = 0; i < logits.length; i++) if (binOf(max - logits[i]!) === edge) within.push(logits[i]!);
  within.sort((a, b) => b - a);
  const floor = within.find((logit) => (sum += expOfMinus(max - logit)) >= enough);
  return floor ?? within.at(-1) ?? -Infinity;
}

function binOf(below: number): number {
  return (Math.min(below, (BINS - 1) / BINS_PER_NAT) * BINS_PER_NAT) | 0;
}

/** Tokens whose weights are summed as one when drawing. */
const BLOCK = 256;

/** A token with a logit of at least `floor`, with probability ∝ exp(logit / temperature). @param uniform in [0, 1) */
export function draw(logits: Float32Array, floor: number, temperature: number, uniform: number): number {
  const max = logits[indexOfLargest(logits)]!;
  const sums = new Float64Array(Math.ceil(logits.length / BLOCK));
  for (let block = 0; block < sums.length; block++)
    sums[block] = weigh(logits, block * BLOCK, (block + 1) * BLOCK, max, floor, 1 / temperature);
  let left = uniform * sums.reduce((sum, weight) => sum + weight);
  let block = 0;
  while (block < sums.length - 1 && left >= sums[block]!) left -= sums[block++]!;
  let token = block * BLOCK;
  for (let i = token; i < Math.min(logits.length, (block + 1) * BLOCK); i++) {
    const weight = weigh(logits, i, i + 1, max, floor, 1 / temperature);
    if (weight > 0) token = i; // rounding may leave a rest behind the last one
    if (left < weight) break;
    left -= weight;
  }
  return token;
}

/** Σ exp((logit − max)·scale) of those from the floor up */
function weigh(
  logits: Float32Array,
  from: number,
  to: number,
  max: number,
  floor: number,
  scale: number,
): number {
  const end = Math.min(to, logits.length);
  let sum = 0;
  for (let i = from; i < end; i++) if (logits[i]! >= floor) sum += expOfMinus((max - logits[i]!) * scale);
  return sum;
}
