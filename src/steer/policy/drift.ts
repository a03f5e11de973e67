/** The trend of a trait over the turns of a conversation: a model may slide away by steps of which none is alarming. */

import type { Remembered } from './memory.ts';
import type { Reading } from './policy.ts';
import { inUnit } from './rule.ts';
import type { Amount } from './when.ts';

export interface Trend {
  /** of how many last answers */
  turns: number;
  /** a turn; a negative one means a fall */
  slope: Amount;
}

/**
 * Slope of the line with the least squares. NaN for fewer than two places.
 *
 * slopeOf([[0, 1], [1, 3], [2, 5]]) = 2; slopeOf([[0, 0], [1, 1], [2, 0], [3, 3]]) = 0.8
 */
export function slopeOf(points: readonly (readonly [x: number, y: number])[]): number {
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / points.length;
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / points.length;
  let [xy, xx] = [0, 0];
  for (const [x, y] of points) {
    xy += (x - meanX) * (y - meanY);
    xx += (x - meanX) ** 2;
  }
  return xy / xx;
}

/**
 * The slope a turn over the last answers before `turn`; undefined while there are too few.
 * @param meanScale z of a mean, for each unit of the mean of single tokens' z
 */
export function trendOf(
  { turns }: Remembered,
  trait: string,
  turn: number,
  { turns: wanted }: Trend,
  meanScale: number,
): Reading | undefined {
  const known = [...(turns.get(trait) ?? [])].filter(([at, { tokens }]) => at < turn && tokens > 0);
  if (known.length < wanted) return undefined;
  const last = known.slice(-wanted);
  const raw = slopeOf(last.map(([at, sums]) => [at, sums.raw / sums.tokens]));
  const z = slopeOf(last.map(([at, sums]) => [at, (sums.z / sums.tokens) * meanScale]));
  return { raw, z: Number.isNaN(z) ? undefined : z };
}

/** Steeper than the bound, in its direction. */
function isDrift(slope: Reading, { value, unit }: Amount): boolean {
  const found = inUnit(slope, unit);
  return value >= 0 ? found > value : found < value;
}

/** `begins` once, then `lasts` until the slope is less than half as steep. @param name of the policy and trait */
export function driftState(
  { drifting }: Remembered,
  name: string,
  slope: Reading,
  bound: Amount,
): 'begins' | 'lasts' | undefined {
  if (!isDrift(slope, { ...bound, value: bound.value / 2 })) drifting.delete(name);
  if (drifting.has(name)) return 'lasts';
  if (!isDrift(slope, bound)) return undefined;
  drifting.add(name);
  return 'begins';
}
