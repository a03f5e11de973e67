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
