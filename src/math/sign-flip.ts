/**
 * The paired sign-flip test: if nothing had changed, a pair's difference could as well have had the other sign. p is the
 * share of signings, the true one included, whose mean is at least as far from zero.
 */

import { random } from './random.ts';

export interface SignFlipOptions {
  /** signings drawn, where there are more than can all be tried. @default 4999 */
  flips?: number;
  /** @default 0 */
  seed?: number;
}

/**
 * All 2ⁿ signings where that is no more than are drawn otherwise. NaN for no pair.
 *
 * signFlip([1, 2, 3]) = 2/8: only all plus and all minus reach a sum of 6. signFlip([0, 0]) = 1
 */
export function signFlip(differences: ArrayLike<number>, options: SignFlipOptions = {}): number {
  const n = differences.length;
  const { flips = 4999, seed = 0 } = options;
  if (n === 0) return NaN;
  let sum = 0;
  let size = 0;
  for (let i = 0; i < n; i++) {
    sum += differences[i]!;
    size += Math.abs(differences[i]!);
  }
  const bound = Math.abs(sum) - 1e-9 * size; // the same signing, summed anew, may differ by rounding
  const far = (minus: (i: number) => boolean): boolean => {
    let signed = 0;
    for (let i = 0; i < n; i++) signed += minus(i) ? -differences[i]! : differences[i]!;
    return Math.abs(signed) >= bound;
  };
  let reached = 0;
  if (2 ** n <= flips + 1) {
    for (let signs = 0; signs < 2 ** n; signs++) if (far((i) => (signs >> i) % 2 === 1)) reached++;
    return reached / 2 ** n;
  }
  const source = random(seed);
  for (let k = 0; k < flips; k++) if (far(() => source.bits() % 2 === 1)) reached++;
  return (1 + reached) / (1 + flips);
}
