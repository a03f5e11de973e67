/**
 * One rule on one answer, as a state machine: armed until its condition holds, then quiet until its release held.
 * So it fires at most once in an excursion, however long that is. It knows no clock and no server.
 */

import type { Reading } from './policy.ts';
import type { Amount, Condition } from './when.ts';

/** What makes a rule fire. */
export interface Trigger {
  when: Condition;
  /** after this held, the rule may fire again; undefined for the prompt, where there is one reading an answer */
  release: Condition | undefined;
  /** z of a mean, for each unit of the mean of single tokens' z: their spread is wider than that of whole answers */
  meanScale: number;
}

export interface RuleWatch {
  /** What it fired on, when it fires now. */
  onPrompt(reading: Reading | undefined): Reading | undefined;
  onToken(reading: Reading | undefined): Reading | undefined;
}

/** @param ready asked when it would fire: false while a cool-down lasts, and the rule stays armed */
export function watchRule({ when, release, meanScale }: Trigger, ready: () => boolean): RuleWatch {
  const measure = meter(when, meanScale);
  const measureRelease = release && meter(release, meanScale);
  let armed = true;
  return {
    onPrompt(reading) {
      if (when.of !== 'prompt' || !armed || !holds(when, reading, 0) || !ready()) return undefined;
      armed = false;
      return reading;
    },
    onToken(reading) {
      if (when.of === 'prompt' || reading === undefined) return undefined;
      const found = measure(reading);
      const calm = measureRelease?.(reading);
      if (!armed) {
        armed = calm !== undefined && holds(release!, calm.reading, calm.count);
        return undefined;
      }
      if (found === undefined || !holds(when, found.reading, found.count) || !ready()) return undefined;
      armed = false;
      return found.reading;
    },
  };
}

/**
 * Half the way back to the usual; the bound itself where that lies on the usual's other side.
 * @param usual what the projection usually is, in the bound's unit
 */
export function defaultRelease(when: Condition, usual: number): Condition | undefined {
  if (when.of === 'prompt') return undefined;
  const { value, unit } = when.bound;
  const above = when.side === 'above';
  const half = (value + usual) / 2;
  const bound: Amount = { value: above ? Math.min(half, value) : Math.max(half, value), unit };
  const after = when.of === 'token' ? when.over : 1;
  return { ...when, side: above ? 'below' : 'above', bound, after };
}

/** The value that a bound is about. */
export function inUnit({ raw, z }: Reading, unit: Amount['unit']): number {
  return unit === 'sd' ? (z ?? NaN) : raw;
}

/** Never with NaN, nor before enough tokens were read. */
function holds({ side, bound, after }: Condition, reading: Reading | undefined, count: number): boolean {
  if (reading === undefined || count < after) return false;
  const value = inUnit(reading, bound.unit);
  return side === 'above' ? value > bound.value : value < bound.value;
}

interface Measured {
  reading: Reading;
  /** tokens read */
  count: number;
}

/** Means over the last tokens, or over all. A token without a usable value is left out, as if it had not been. */
function meter({ of, over, bound }: Condition, meanScale: number): (token: Reading) => Measured | undefined {
  const window: Reading[] = []; // a ring, for `token`
  let [count, raw, z] = [0, 0, 0]; // sums, for `mean`
  return (token) => {
    if (!Number.isFinite(inUnit(token, bound.unit))) return undefined;
    if (of === 'mean') {
      count++;
      raw += token.raw;
      z += token.z ?? NaN;
      return { reading: readingOf(raw / count, (z / count) * meanScale), count };
    }
    window[count++ % over] = token;
    const n = window.length;
    // summed anew at each token: a running sum would drift
    const sum = (part: (one: Reading) => number): number =>
      window.reduce((total, one) => total + part(one), 0);
    return { reading: readingOf(sum((one) => one.raw) / n, sum((one) => one.z ?? NaN) / n), count };
  };
}

function readingOf(raw: number, z: number): Reading {
  return { raw, z: Number.isNaN(z) ? undefined : z };
}
