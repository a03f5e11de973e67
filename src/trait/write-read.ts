/**
 * Reads what a writer answered. JSON was asked for, but models put words around it, or answer in numbered lines: all
 * that can be told apart without guessing is taken.
 */

import type { InstructionPair } from './trait.ts';

/** {"pos": …, "neg": …}, or two lines that begin with these words; undefined for anything else. */
export function pairIn(answer: string): InstructionPair | undefined {
  const value = jsonIn(answer);
  const pos = textField(value, 'pos') ?? labelled(answer, 'pos');
  const neg = textField(value, 'neg') ?? labelled(answer, 'neg');
  return pos && neg ? { pos, neg } : undefined;
}

/** A list in JSON, however it is called there; else the numbered or bulleted lines; else all lines. */
export function listIn(answer: string): string[] {
  const value = jsonIn(answer);
  const list = Array.isArray(value) ? value : Object.values(value ?? {}).find(Array.isArray);
  if (list !== undefined) return list.filter((item) => typeof item === 'string').map(cleaned);
  const all = answer.split('\n').filter((line) => /\p{L}/u.test(line));
  const marked = all.filter((line) => MARK.test(line));
  return (marked.length > 0 ? marked : all).map(cleaned);
}

/** The one text of a JSON object, or all of the answer where it is no JSON. */
export function textIn(answer: string): string {
  const value = jsonIn(answer);
  const [only] = Object.values(value ?? {}).filter((item) => typeof item === 'string');
  return only === undefined ? cleaned(answer.replaceAll(/\s+/g, ' ')) : only.trim();
}

/** `1. `, `2) `, `- `, `* ` */
const MARK = /^\s*(?:\d+[.):]|[-*•])\s+/;

/** The first JSON object or list within a text. */
function jsonIn(answer: string): object | undefined {
  const start = answer.search(/[{[]/);
  if (start < 0) return undefined;
  const close = answer[start] === '{' ? '}' : ']';
  // the longest stretch that parses: a brace within a string may come before the last one
  for (let end = answer.lastIndexOf(close); end > start; end = answer.lastIndexOf(close, end - 1)) {
    try {
      return JSON.parse(answer.slice(start, end + 1)) as object;
    } catch {
      // shorter, then
    }
  }
  return undefined;
}

function textField(value: object | undefined, name: string): string | undefined {
  const field = (value as Record<string, unknown> | undefined)?.[name];
  return typeof field === 'string' && field.trim() !== '' ? field.trim() : undefined;
}

/** `Pos: …`, `**Positive:** …`, `"neg": "…"` at the beginning of a line */
function labelled(answer: string, label: string): string | undefined {
  const found = answer.match(
    new RegExp(`^[\\s\\d.*"{-]*${label}(?:itive|ative)?["*]*\\s*:[*\\s]*(.+)$`, 'im'),
  );
  return found === null ? undefined : cleaned(found[1]!) || undefined;
}

/** Without its mark, the quotes around it and the comma after it. */
function cleaned(line: string): string {
  const bare = line.replace(MARK, '').trim().replace(/,$/, '');
  return bare.replace(/^(["'“])(.*)["'”]$/s, '$2').trim();
}
