/** Arithmetic over one row of logits, (vocabulary). It runs once for every token of every answer, so it is quick. */

/** Table entries a nat. */
const FINE = 64;
/** From here on it is 0: e^−64 is far below the rounding of a sum that begins with 1. */
const FARTHEST = 64;
const EXP = Float64Array.from({ length: FARTHEST * FINE + 1 }, (_, i) =>
  i < FARTHEST * FINE ? Math.exp(-i / FINE) : 0,
);

/** e^(−steps/64) for steps ≥ 0: from the table, and a series for the rest. Within 1e-11, in a third of Math.exp's time. */
function expOfMinus(steps: number): number {
  const bounded = Math.min(steps, FARTHEST * FINE);
  const n = bounded | 0;
  const rest = (n - bounded) / FINE;
  return EXP[n]! * (1 + rest * (1 + rest * (1 / 2 + rest * (1 / 6 + rest / 24))));
}

/** Four at a time, since each comparison waits for the one before it. NaN only where all are. */
function largestOf(logits: Float32Array): number {
  let [a, b, c, d] = [-Infinity, -Infinity, -Infinity, -Infinity];
  const whole = logits.length & ~3;
  for (let i = 0; i < whole; i += 4) {
    if (logits[i]! > a) a = logits[i]!;
    if (logits[i + 1]! > b) b = logits[i + 1]!;
    if (logits[i + 2]! > c) c = logits[i + 2]!;
    if (logits[i + 3]! > d) d = logits[i + 3]!;
  }
  for (let i = whole; i < logits.length; i++) if (logits[i]! > a) a = logits[i]!;
  return Math.max(a, b, c, d);
}

/** Of equal ones the first. */
export function indexOfLargest(logits: Float32Array): number {
  return Math.max(0, logits.indexOf(largestOf(logits)));
}

/** log Σ exp(logits) */
export function logSumExp(logits: Float32Array): number {
  const max = largestOf(logits);
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += expOfMinus((max - logits[i]!) * FINE);
  return max + Math.log(sum);
}

/** Logits whose probabilities are summed together, so that the token drawn is looked for in one block only. */
const BLOCK = 256;

/**
 * Draws a token by its probability, softmax(logits / temperature).
 * @param temperature > 0
 * @param uniform 0 ≤ u < 1: the token at this share of the probability, in the order of the vocabulary
 */
export function drawToken(logits: Float32Array, temperature: number, uniform: number): number {
  const max = largestOf(logits);
  const scale = FINE / temperature;
  const sums = new Float64Array(Math.ceil(logits.length / BLOCK));
  let total = 0;
  for (let block = 0, i = 0; block < sums.length; block++) {
    const end = Math.min(i + BLOCK, logits.length);
    let sum = 0;
    for (; i < end; i++) sum += expOfMinus((max - logits[i]!) * scale);
    sums[block] = sum;
    total += sum;
  }
  let left = uniform * total;
  let block = 0;
  while (block < sums.length - 1 && left >= sums[block]!) left -= sums[block++]!;
  let i = block * BLOCK;
  for (const last = Math.min(i + BLOCK, logits.length) - 1; i < last; i++) {
    left -= expOfMinus((max - logits[i]!) * scale);
    if (left < 0) return i;
  }
  // at the very end rounding may go past the last one that can be drawn
  return expOfMinus((max - logits[i]!) * scale) > 0 ? i : indexOfLargest(logits);
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
