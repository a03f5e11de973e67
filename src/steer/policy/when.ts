/**
 * When a rule fires, in words. A small grammar, read by hand so that an error names its column:
 *
 *     condition := [ "prompt" | "mean" ] TRAIT ( ">" | "<" ) NUMBER [ "sd" ] clause
 *     clause    := "over" N "tokens", "and not before" N "tokens"     of single tokens; either may be left out
 *                | "after" N "tokens"                                 of the mean; may be left out
 *
 *     evil > 12.5                                    a token's projection
 *     evil > 3sd over 8 tokens                       the mean of the last eight tokens, in the spread of single tokens
 *     evil > 3sd over 8 tokens and not before 4 tokens   … from the fourth token on, over as many as there are
 *     prompt evil > 2sd                              at the last prompt token: a prediction before a word is written
 *     mean evil > 1sd after 20 tokens                the mean of the answer so far, in the spread of whole answers
 */

import { PersonaError } from '../../errors.ts';

/** raw: in units of the projection · sd: in standard deviations from the vector's neutral baseline */
export interface Amount {
  value: number;
  unit: 'raw' | 'sd';
}

export interface Condition {
  of: 'token' | 'prompt' | 'mean';
  trait: string;
  side: 'above' | 'below';
  bound: Amount;
  /** token: how many of the last ones are averaged; else 1 */
  over: number;
  /** tokens of the answer that must have been read before it can hold; 0 for the prompt */
  after: number;
}

/** A window is kept for each rule of each answer under way. */
export const MAX_OVER = 4096;
/** More tokens than any answer has: a slip of the pen. */
const MAX_AFTER = 1_000_000;

const SPACE = /\s*/y;
/** What a trait may be called here: as in a SPEC, without its separators. */
const NAME = /[\p{L}_][\p{L}\p{N}_.-]*/uy;
const NUMBER = /[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?/iy;
const COUNT = /\d+/y;
const SIDE = /[<>]/y;
const WORD = /\p{L}+/uy;

export function isTraitName(text: string): boolean {
  return new RegExp(`^${NAME.source}$`, 'u').test(text);
}

/** @throws PersonaError USAGE naming the column, and what was expected there */
export function parseWhen(text: string): Condition {
  const read = reader(text);
  const first = read.need(NAME, 'the name of a trait');
  const second = first === 'prompt' || first === 'mean' ? read.take(NAME) : undefined;
  const of = second === undefined ? 'token' : (first as 'prompt' | 'mean');
  const trait = second ?? first;
  const side = read.need(SIDE, '">" or "<"') === '>' ? 'above' : 'below';
  const value = Number(read.need(NUMBER, 'a number, as in 3sd or 12.5'));
  const bound: Amount = { value, unit: read.word('sd') ? 'sd' : 'raw' };
  if (!Number.isFinite(value)) throw read.wrong('a number that is not too large');
  let [over, after] = [1, of === 'prompt' ? 0 : 1];
  if (of === 'mean' && read.word('after')) after = read.tokens(MAX_AFTER);
  if (of === 'token' && read.word('over')) after = over = read.tokens(MAX_OVER);
  if (of === 'token' && read.word('and')) {
    for (const word of ['not', 'before']) if (!read.word(word)) throw read.wrong(`"${word}"`);
    after = read.tokens(MAX_AFTER);
  }
  const clause = {
    token: '"over", "and not before" or the end',
    mean: '"after" or the end',
    prompt: 'the end',
  };
  if (!read.ended()) throw read.wrong(clause[of]);
  return { of, trait, side, bound, over, after };
}

/** The shortest text that parses to this condition. */
export function formatWhen({ of, trait, side, bound, over, after }: Condition): string {
  const subject = of === 'token' ? trait : `${of} ${trait}`;
  let text = `${subject} ${side === 'above' ? '>' : '<'} ${formatAmount(bound)}`;
  if (over > 1) text += ` over ${tokens(over)}`;
  if (of === 'mean' && after > 1) text += ` after ${tokens(after)}`;
  if (of === 'token' && after !== over) text += ` and not before ${tokens(after)}`;
  return text;
}

/** `0.5sd` or `0.3`. @throws PersonaError USAGE */
export function parseAmount(text: string): Amount {
  const read = reader(text);
  const value = Number(read.need(NUMBER, 'a number, as in 0.5sd'));
  const unit = read.word('sd') ? 'sd' : 'raw';
  if (!read.ended()) throw read.wrong('"sd" or the end');
  return { value, unit };
}

export function formatAmount({ value, unit }: Amount): string {
  return `${value}${unit === 'sd' ? 'sd' : ''}`;
}

function tokens(n: number): string {
  return `${n} token${n === 1 ? '' : 's'}`;
}

interface Reader {
  take(pattern: RegExp): string | undefined;
  need(pattern: RegExp, expected: string): string;
  /** whether this word comes next; it is then read */
  word(word: string): boolean;
  /** `8 tokens` */
  tokens(most: number): number;
  ended(): boolean;
  /** the error of what stands here */
  wrong(expected: string): PersonaError;
}

function reader(text: string): Reader {
  let at = 0;

  function match(pattern: RegExp): RegExpExecArray | null {
    SPACE.lastIndex = at;
    at += SPACE.exec(text)![0].length;
    pattern.lastIndex = at;
    return pattern.exec(text);
  }
  function take(pattern: RegExp): string | undefined {
    const found = match(pattern)?.[0];
    at += found?.length ?? 0;
    return found;
  }
  function wrong(expected: string): PersonaError {
    match(SPACE);
    const rest = text.slice(at).trim();
    const got = rest === '' ? 'the end' : JSON.stringify(rest.slice(0, 20));
    return new PersonaError(
      'USAGE',
      `${JSON.stringify(text)}: column ${at + 1}: expected ${expected}, got ${got}`,
    );
  }
  function need(pattern: RegExp, expected: string): string {
    const found = take(pattern);
    if (found === undefined) throw wrong(expected);
    return found;
  }
  function word(wanted: string): boolean {
    const found = match(WORD)?.[0] === wanted;
    if (found) at += wanted.length;
    return found;
  }
  return {
    take,
    need,
    word,
    wrong,
    tokens(most) {
      const n = Number(match(COUNT)?.[0]);
      if (!(n >= 1 && n <= most)) throw wrong(`a number of tokens from 1 to ${most}`);
      take(COUNT);
      if (!word('tokens') && !word('token')) throw wrong('"tokens"');
      return n;
    },
    ended: () => match(SPACE) !== null && at === text.length,
  };
}
