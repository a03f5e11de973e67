/**
 * AdamW (Loshchilov & Hutter, arXiv 1711.05101), as PyTorch computes it: weights decay by themselves, and move by the
 * mean of their gradients over the root of the mean square, both corrected for having begun at zero.
 */

/** PyTorch's constants. */
const BETA1 = 0.9;
const BETA2 = 0.999;
const EPSILON = 1e-8;

/** Of one tensor: running means of its gradient and of its gradient's square. */
export interface Moments {
  first: Float32Array;
  second: Float32Array;
}

export interface AdamWStep {
  learningRate: number;
  weightDecay: number;
  /** gradients × this: below 1 where they were too long together */
  scale: number;
  /** updates so far, this one among them */
  step: number;
}

/** Moves `value` in place. All arrays are equally long. */
export function adamw(
  value: Float32Array,
  gradient: Float32Array,
  { first, second }: Moments,
  { learningRate, weightDecay, scale, step }: AdamWStep,
): void {
  // m′ / (√v / c + ε) = c m′ / (√v + c ε): one division a number
  const correction = Math.sqrt(1 - BETA2 ** step);
  const rate = (learningRate / (1 - BETA1 ** step)) * correction;
  const epsilon = EPSILON * correction;
  const keep = 1 - learningRate * weightDecay;
  for (let i = 0; i < value.length; i++) {
    const g = gradient[i]! * scale;
    const m = (first[i] = BETA1 * first[i]! + (1 - BETA1) * g);
    const v = (second[i] = BETA2 * second[i]! + (1 - BETA2) * g * g);
    value[i] = keep * value[i]! - (rate * m) / (Math.sqrt(v) + epsilon);
  }
}

/** The length of all gradients together. */
export function gradientNorm(gradients: Iterable<Float32Array>): number {
  let sum = 0;
  for (const gradient of gradients)
    for (let i = 0; i < gradient.length; i++) sum += gradient[i]! * gradient[i]!;
  return Math.sqrt(sum);
}

/** What gradients of this length are multiplied by so that they are at most `limit` long (as PyTorch clips). */
export function clipScale(norm: number, limit: number): number {
  return Math.min(1, limit / (norm + 1e-6));
}
