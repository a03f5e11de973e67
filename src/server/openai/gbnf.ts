/** Pieces of llama.cpp's grammar notation, and a grammar that grows rule by rule. */

import { refuse } from '../errors.ts';

/** Characters; the engine takes no more. */
const MAX_GRAMMAR = 100_000;

export interface Grammar {
  /** Adds a rule; its name. */
  rule(body: string): string;
  /** A name for a rule whose body comes later, as of one that refers to itself. */
  reserve(): string;
  define(name: string, body: string): void;
  text(root: string): string;
}

/** @param path of what it is made of, for an error that says it is too large */
export function grammar(path: string): Grammar {
  const rules = new Map<string, string>();
  const names = new Map<string, string>(); // body → rule, so that equal ones are there once
  let count = 0;
  let size = 0;
  function reserve(): string {
    return `r${count++}`;
  }
  function define(name: string, body: string): void {
    size += name.length + body.length;
    if (size > MAX_GRAMMAR) throw refuse(path, 'too large: its grammar has more than 100000 characters');
    rules.set(name, body);
  }
  return {
    reserve,
    define,
    rule(body) {
      const known = names.get(body);
      if (known !== undefined) return known;
      const name = reserve();
      names.set(body, name);
      define(name, body);
      return name;
    },
    text: (root) =>
      [`root ::= ${root}`, ...[...rules].map(([name, body]) => `${name} ::= ${body}`), COMMON].join('\n'),
  };
}

/** What every grammar of JSON needs. No number has more digits than a double keeps, and no gap is endless. */
const COMMON = String.raw`gap ::= [ ]? | "\n" [ ]{0,16}
plain ::= [^"\\\x00-\x1F\x7F]
char ::= plain | "\\" (["\\/bfnrt] | "u" ([0-9a-cA-Ce-fE-F] [0-9a-fA-F]{3} | [dD] [0-7] [0-9a-fA-F]{2}))
string ::= "\"" char* "\""
natural ::= "0" | [1-9] [0-9]{0,14}
integer ::= "-"? natural
fraction ::= ("." [0-9]{1,15})? ([eE] [-+]? [0-9]{1,2})?
number ::= "-"? natural fraction
value ::= object | array | string | number | "true" | "false" | "null"
member ::= string ":" gap value
object ::= "{" gap (member ("," gap member)* gap)? "}"
array ::= "[" gap (value ("," gap value)* gap)? "]"`;

/** literal('a"b') = "a\"b" in GBNF */
export function literal(text: string): string {
  return `"${Array.from(text, escaped).join('')}"`;
}

function escaped(character: string): string {
  return /^[ !#-[\]-~]$/.test(character) ? character : codePoint(character);
}

/** A character as grammar text that means the same within and without brackets. */
function codePoint(character: string): string {
  if (/^[A-Za-z0-9]$/.test(character)) return character;
  const code = character.codePointAt(0)!.toString(16);
  return code.length > 4 ? `\\U${code.padStart(8, '0')}` : `\\u${code.padStart(4, '0')}`;
}

/** times('x', 1, 3) = 'x{1,3}'; without a most: 'x{1,}' */
export function times(what: string, least: number, most: number | undefined): string {
  if (least === 0 && most === undefined) return `${what}*`;
  return `${what}{${least},${most ?? ''}}`;
}

/**
 * A JSON string without escapes that is none of these: for the names of further properties.
 *
 * A tree of the names' characters; off the tree anything may follow, and at the end of a name the string may not end.
 */
export function otherString(names: readonly string[], out: Grammar): string {
  return out.rule(`"\\"" ${node(names.map((name) => Array.from(name)))}`);

  function node(rests: readonly (readonly string[])[]): string {
    const nexts = Map.groupBy(
      rests.filter((rest) => rest.length > 0),
      ([first]) => first!,
    );
    const own = [...nexts.keys()].map(codePoint).join('');
    const ends = rests.some((rest) => rest.length === 0) ? [] : ['"\\""'];
    const on = [...nexts].map(
      ([first, followers]) => `${literal(first)} ${node(followers.map((rest) => rest.slice(1)))}`,
    );
    const off = `[^"\\\\\\x00-\\x1F\\x7F${own}] plain* "\\""`;
    return out.rule([...ends, off, ...on].join(' | '));
  }
}
