/** Where a text stops being JSON: the parser of JavaScript says so only for some errors. */

const TOKEN =
  /[ \t\n\r]*([{}[\],:]|"(?:[^"\\\x00-\x1f]+|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)/y;

type Expected = 'value' | 'value or ]' | 'key' | 'key or }' | ':' | 'end of a value';

/** Index of the first character that cannot stand where it does; the text's length where it ends too early. */
export function jsonErrorAt(text: string): number {
  const open: ('{' | '[')[] = [];
  let expected: Expected = 'value';
  let at = 0;
  for (;;) {
    TOKEN.lastIndex = at;
    const token = TOKEN.exec(text)?.[1];
    if (token === undefined) return at + /^[ \t\n\r]*/.exec(text.slice(at))![0].length;
    const next = follow(token);
    if (next === undefined) return TOKEN.lastIndex - token.length;
    expected = next;
    at = TOKEN.lastIndex;
  }

  function follow(token: string): Expected | undefined {
    const inside = open.at(-1);
    if (token === (inside === '{' ? '}' : ']') && inside) {
      const mayEnd = expected === 'end of a value' || expected === 'value or ]' || expected === 'key or }';
      return mayEnd ? (open.pop(), 'end of a value') : undefined;
    }
    switch (expected) {
      case ':':
        return token === ':' ? 'value' : undefined;
      case 'key':
      case 'key or }':
        return token.startsWith('"') ? ':' : undefined;
      case 'end of a value':
        return token === ',' && inside ? (inside === '{' ? 'key' : 'value') : undefined;
      default:
        if (token === '{' || token === '[') {
          open.push(token);
          return token === '{' ? 'key or }' : 'value or ]';
        }
        return /^[}\],:]/.test(token) ? undefined : 'end of a value';
    }
  }
}

/** place('a\nbc', 3) = 'position 3 (line 2, column 2)' */
export function place(text: string, at: number): string {
  const lines = text.slice(0, at).split('\n');
  return `position ${at} (line ${lines.length}, column ${lines.at(-1)!.length + 1})`;
}
