/**
 * Parsers for option values: `.option('--layers <list>', 'layers to try', layers)`. A value that does not fit throws
 * commander's error, which names the option and what was got; these add what was expected.
 */

import { InvalidArgumentError } from 'commander';
import type { BadLimit } from '../../screen/samples.ts';

export interface Bounds {
  min?: number;
  max?: number;
}

const MAX_RANGE = 10_000; // values in one range: more is a slip of the pen
const MAX_SEED = 2 ** 32 - 1; // what llama.cpp's sampler takes

/** A parser of numbers: `number({ min: 0 })`. */
export function number(bounds: Bounds = {}): (text: string) => number {
  return (text) => inBounds(plainNumber(text), bounds);
}

/** A parser of whole numbers: `integer({ min: 1, max: 65535 })`. */
export function integer(bounds: Bounds = {}): (text: string) => number {
  return (text) => {
    const value = plainNumber(text);
    if (!Number.isSafeInteger(value)) throw new InvalidArgumentError('Expected a whole number.');
    return inBounds(value, bounds);
  };
}

/** seed('7') = 7 */
export function seed(text: string): number {
  return integer({ min: 0, max: MAX_SEED })(text);
}

/** A list of numbers. numbers('-2,-1,0.5') = [-2, -1, 0.5] */
export function numbers(text: string): number[] {
  return text.split(',').map(plainNumber);
}

/** Whole numbers from 0, singly and as ranges, each once and in order. range('8-12:2,3') = [3, 8, 10, 12] */
export function range(text: string): number[] {
  const values = new Set<number>();
  for (const part of text.split(',')) {
    const found = /^(\d+)(?:-(\d+)(?::(\d+))?)?$/.exec(part.trim());
    if (found === null)
      throw new InvalidArgumentError(`"${part}" is not like 8, 8-20 or 8-20:2 (from, to, step).`);
    const from = Number(found[1]);
    const to = Number(found[2] ?? from);
    const step = Number(found[3] ?? 1);
    if (to < from) throw new InvalidArgumentError(`"${part}" runs backwards.`);
    if (step === 0) throw new InvalidArgumentError(`"${part}" has a step of 0.`);
    if ((to - from) / step >= MAX_RANGE)
      throw new InvalidArgumentError(`"${part}" has more than ${MAX_RANGE} values.`);
    for (let value = from; value <= to; value += step) values.add(value);
  }
  return [...values].sort((a, b) => a - b);
}

const MILLISECONDS: Record<string, number> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** Milliseconds; the unit is needed. duration('1.5m') = 90000 */
export function duration(text: string): number {
  return withUnit(text, MILLISECONDS, 'a time like 500ms, 30s, 5m or 2h');
}

const KIBI = 1024;
const BYTES: Record<string, number> = {
  '': 1, B: 1, k: KIBI, K: KIBI, M: KIBI ** 2, G: KIBI ** 3, T: KIBI ** 4,
  KiB: KIBI, MiB: KIBI ** 2, GiB: KIBI ** 3, TiB: KIBI ** 4,
  kB: 1e3, KB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12,
}; // prettier-ignore

/** Bytes; K, M, G and KiB … count in 1024, kB, MB … in 1000. size('2G') = 2147483648 */
export function size(text: string): number {
  return Math.round(withUnit(text, BYTES, 'a size like 512M, 4G or 500MB'));
}

/** How many rows of a file may be bad. badLimit('2%') = { share: 0.02, least: 0 } */
export function badLimit(text: string): BadLimit {
  const [, amount, percent] = /^(\d+(?:\.\d+)?)\s*(%?)$/.exec(text.trim()) ?? [];
  if (amount === undefined || (percent === '' && amount.includes('.')))
    throw new InvalidArgumentError('Expected a number of rows, or a share as in 2%.');
  return percent === '%' ? { share: Number(amount) / 100, least: 0 } : { count: Number(amount) };
}

/** For options that may be given several times. `.option('--vector <file>', 'a vector', repeated(String))` */
export function repeated<T>(parse: (text: string) => T): (text: string, previous?: T[]) => T[] {
  return (text, previous = []) => [...previous, parse(text)];
}

/** A list of words out of those that there are. `someOf(['all', 'prompt'])('prompt,all')` */
export function someOf<T extends string>(known: readonly T[]): (text: string) => T[] {
  return (text) =>
    text.split(',').map((part) => {
      const found = known.find((word) => word === part.trim());
      if (found === undefined) throw new InvalidArgumentError(`"${part}" is none of ${known.join(', ')}.`);
      return found;
    });
}

function plainNumber(text: string): number {
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text.trim()))
    throw new InvalidArgumentError(`"${text}" is not a number.`);
  const value = Number(text);
  if (!Number.isFinite(value)) throw new InvalidArgumentError(`"${text}" is too large.`);
  return value;
}

function inBounds(value: number, { min = -Infinity, max = Infinity }: Bounds): number {
  if (value >= min && value <= max) return value;
  if (max === Infinity) throw new InvalidArgumentError(`Expected ${min} or more.`);
  if (min === -Infinity) throw new InvalidArgumentError(`Expected ${max} or less.`);
  throw new InvalidArgumentError(`Expected ${min} to ${max}.`);
}

function withUnit(text: string, units: Record<string, number>, expected: string): number {
  const [, amount, unit] = /^(\d+\.?\d*|\.\d+) ?([a-z]*)$/i.exec(text.trim()) ?? [];
  if (amount === undefined || unit === undefined || !Object.hasOwn(units, unit))
    throw new InvalidArgumentError(`Expected ${expected}.`);
  return Number(amount) * units[unit]!;
}
