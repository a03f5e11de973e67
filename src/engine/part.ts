/**
 * The three parts of a text that edits and reads tell apart, as bits: the prompt up to its last token, that last
 * prompt token (which says the first word of the answer), and the answer. With a prompt of n tokens they are the
 * positions 0 … n−2, n−1, and n and later.
 */

import type { Scope } from './request.ts';

export const BODY = 1;
export const LAST = 2;
export const ANSWER = 4;

export const SCOPE_PARTS: Readonly<Record<Scope, number>> = {
  response: LAST | ANSWER,
  prompt: BODY | LAST,
  all: BODY | LAST | ANSWER,
  last_prompt: LAST,
  generated: ANSWER,
};

export function partOf(position: number, promptLength: number): number {
  if (position >= promptLength) return ANSWER;
  return position === promptLength - 1 ? LAST : BODY;
}
