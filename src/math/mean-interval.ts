/** Student's 95 % interval of a mean, from the figures of a sample that need not be at hand. */

export interface MeanInterval {
  mean: number;
  low: number;
  high: number;
}

const Z = 1.959963984540054; // 97.5 % of a standard normal

/**
 * The 97.5 % point of Student's t by its expansion in 1/ν about the normal's (Abramowitz & Stegun 26.7.5, four terms);
 * right to 1 % from 3 degrees of freedom on, exact for 1 and 2. studentT(2) = 4.3027
 */
export function studentT(degrees: number): number {
  if (degrees === 1) return 12.706204736;
  if (degrees === 2) return 4.30265273;
  const z2 = Z * Z;
  const terms = [
    (z2 + 1) / 4,
    (5 * z2 ** 2 + 16 * z2 + 3) / 96,
    (3 * z2 ** 3 + 19 * z2 ** 2 + 17 * z2 - 15) / 384,
    (79 * z2 ** 4 + 776 * z2 ** 3 + 1482 * z2 ** 2 - 1920 * z2 - 945) / 92_160,
  ];
  return terms.reduce((sum, term, i) => sum + (Z * term) / degrees ** (i + 1), Z);
}

/**
 * mean ± t·√(deviation²/n + variance); NaN for the ends of fewer than two values.
 * @param variance of what is common to all values, such as an offset that was itself estimated
 */
export function meanInterval(n: number, mean: number, deviation: number, variance = 0): MeanInterval {
  if (n < 2) return { mean, low: NaN, high: NaN };
  const half = studentT(n - 1) * Math.sqrt(deviation ** 2 / n + variance);
  return { mean, low: mean - half, high: mean + half };
}
