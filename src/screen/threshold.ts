/**
 * Thresholds, as users write them:
 *
 *     THRESHOLD = [TRAIT:] (pN | z>N | NUMBER)      p95      evil: z>3      12.5
 *
 * pN lets through what N in a hundred of the reference stay under, z>N what is at most N standard deviations above its
 * mean. A row is over a threshold when it is above it, not when it is on it.
 */

import { PersonaError } from '../errors.ts';
import type { Tally } from './tally.ts';

export interface Threshold {
  /** absent: every trait that has none of its own */
  trait?: string;
  kind: 'quantile' | 'deviations' | 'value';
  amount: number;
}

const FORM = /^(?:(?<trait>.+?)\s*:)?\s*(?:p(?<p>\d+(?:\.\d+)?)|z\s*>\s*(?<z>[+-]?\d*\.?\d+)|(?<value>[+-]?\d*\.?\d+(?:e[+-]?\d+)?))$/i; // prettier-ignore

/**
 * parseThreshold('evil: p99') = { trait: 'evil', kind: 'quantile', amount: 0.99 }
 * @throws PersonaError USAGE
 */
export function parseThreshold(text: string): Threshold {
  const { trait, p, z, value } = FORM.exec(text.trim())?.groups ?? {};
  const of = trait === undefined ? {} : { trait: trait.trim() };
  if (p !== undefined && Number(p) < 100) return { ...of, kind: 'quantile', amount: Number(p) / 100 };
  if (z !== undefined) return { ...of, kind: 'deviations', amount: Number(z) };
  if (value !== undefined) return { ...of, kind: 'value', amount: Number(value) };
  throw new PersonaError('USAGE', `${JSON.stringify(text)} is no threshold`, {
    remedy: 'Write p95, z>3 or a number, for one trait as in "evil: p99".',
  });
}

/**
 * The bound of each trait; undefined where none was asked for.
 * @param figures by trait, of what thresholds are relative to
 * @throws PersonaError USAGE for a trait that there is not, or a bound that cannot be told
 */
export function resolveThresholds(
  thresholds: readonly Threshold[],
  traits: readonly string[],
  figures: readonly Tally[],
): (number | undefined)[] {
  const unknown = thresholds.find(({ trait }) => trait !== undefined && !traits.includes(trait));
  if (unknown)
    throw new PersonaError('USAGE', `there is no trait ${unknown.trait} to set a threshold for`, {
      remedy: `There are ${traits.join(', ')}.`,
    });
  return traits.map((trait, t) => {
    const own =
      thresholds.findLast((one) => one.trait === trait) ??
      thresholds.findLast((one) => one.trait === undefined);
    if (own === undefined) return undefined;
    const bound = boundOf(own, figures[t]!);
    if (Number.isNaN(bound))
      throw new PersonaError('USAGE', `${trait}: there are too few values to set a threshold by`, {
        remedy: 'Give a larger reference, or a number as threshold.',
      });
    return bound;
  });
}

function boundOf({ kind, amount }: Threshold, tally: Tally): number {
  if (kind === 'value') return amount;
  return kind === 'quantile' ? tally.quantile(amount) : tally.mean + amount * tally.sd;
}
