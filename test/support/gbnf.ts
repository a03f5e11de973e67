/** Does a text follow a grammar? A reader of llama.cpp's notation of its own, by backtracking: for short texts. */

type Node =
  | { is: 'text'; text: string }
  | { is: 'class'; has: (character: string) => boolean }
  | { is: 'rule'; name: string }
  | { is: 'all'; of: Node[] }
  | { is: 'any'; of: Node[] }
  | { is: 'times'; of: Node; least: number; most: number };

export type Rules = Map<string, Node>;

/** @throws Error where the text is no grammar, or a rule is missing */
export function parseGbnf(text: string): Rules {
  const rules: Rules = new Map();
  const used = new Set<string>();
  for (const line of text.split('\n')) {
    const [, name, body] = /^([a-z0-9-]+) ::= (.+)$/.exec(line) ?? [];
    if (name === undefined || body === undefined) throw new Error(`no rule: ${line}`);
    if (rules.has(name)) throw new Error(`twice: ${name}`);
    rules.set(name, parseBody(body, used));
  }
  for (const name of [...used, 'root']) if (!rules.has(name)) throw new Error(`missing: ${name}`);
  return rules;
}

function parseBody(text: string, used: Set<string>): Node {
  let at = 0;
  const node = any();
  if (at < text.length) throw new Error(`stray: ${text.slice(at)}`);
  return node;

  function any(): Node {
    const of = [all()];
    while (text[at] === '|') {
      at++;
      of.push(all());
    }
    return { is: 'any', of };
  }
  function all(): Node {
    const of: Node[] = [];
    for (;;) {
      while (text[at] === ' ') at++;
      if (at >= text.length || text[at] === '|' || text[at] === ')') return { is: 'all', of };
      of.push(repeated(one()));
    }
  }
  function one(): Node {
    const start = text[at]!;
    if (start === '(') {
      at++;
      const inner = any();
      if (text[at++] !== ')') throw new Error(`open: ${text}`);
      return inner;
    }
    if (start === '"') {
      at++;
      let content = '';
      while (text[at] !== '"') content += character();
      at++;
      return { is: 'text', text: content };
    }
    if (start === '[') return charClass();
    const name = /^[a-z0-9-]+/.exec(text.slice(at))?.[0];
    if (name === undefined) throw new Error(`stray: ${text.slice(at)}`);
    at += name.length;
    used.add(name);
    return { is: 'rule', name };
  }
  function charClass(): Node {
    at++;
    const not = text[at] === '^';
    if (not) at++;
    const ranges: [string, string][] = [];
    while (text[at] !== ']') {
      const from = character();
      const isRange = text[at] === '-' && text[at + 1] !== ']';
      if (isRange) at++;
      ranges.push([from, isRange ? character() : from]);
    }
    at++;
    const code = (c: string): number => c.codePointAt(0)!;
    return {
      is: 'class',
      has: (c) => ranges.some(([from, to]) => code(c) >= code(from) && code(c) <= code(to)) !== not,
    };
  }
  function character(): string {
    if (at >= text.length) throw new Error(`open: ${text}`);
    const c = String.fromCodePoint(text.codePointAt(at)!);
    at += c.length;
    if (c !== '\\') return c;
    const kind = text[at++]!;
    const digits = { x: 2, u: 4, U: 8 }[kind];
    if (digits === undefined) {
      if (!'"\\nrt[]'.includes(kind)) throw new Error(`escape: ${kind}`);
      return { n: '\n', r: '\r', t: '\t' }[kind] ?? kind;
    }
    const hex = text.slice(at, (at += digits));
    if (!/^[0-9a-fA-F]+$/.test(hex)) throw new Error(`escape: ${hex}`);
    return String.fromCodePoint(parseInt(hex, 16));
  }
  function repeated(of: Node): Node {
    const [sign, least, comma, most] = /^(?:[*+?]|\{(\d+)(,?)(\d*)\})/.exec(text.slice(at)) ?? [];
    if (sign === undefined) return of;
    at += sign.length;
    if (sign === '*') return { is: 'times', of, least: 0, most: Infinity };
    if (sign === '+') return { is: 'times', of, least: 1, most: Infinity };
    if (sign === '?') return { is: 'times', of, least: 0, most: 1 };
    return {
      is: 'times',
      of,
      least: Number(least),
      most: most ? Number(most) : comma ? Infinity : Number(least),
    };
  }
}

export function follows(text: string, rules: Rules): boolean {
  const characters = Array.from(text);
  return [...ends({ is: 'rule', name: 'root' }, 0)].includes(characters.length);

  /** Where it may end that begins at `at`. */
  function ends(node: Node, at: number): Set<number> {
    switch (node.is) {
      case 'text': {
        const wanted = Array.from(node.text);
        return new Set(wanted.every((c, i) => characters[at + i] === c) ? [at + wanted.length] : []);
      }
      case 'class':
        return new Set(at < characters.length && node.has(characters[at]!) ? [at + 1] : []);
      case 'rule':
        return ends(rules.get(node.name)!, at);
      case 'any':
        return new Set(node.of.flatMap((each) => [...ends(each, at)]));
      case 'all':
        return node.of.reduce((from, each) => step(each, from), new Set([at]));
      case 'times': {
        const found = new Set(node.least === 0 ? [at] : []);
        let from = new Set([at]);
        for (let n = 1; n <= node.most && from.size > 0; n++) {
          from = step(node.of, from);
          if (n < node.least) continue;
          const fresh = new Set([...from].filter((end) => !found.has(end)));
          for (const end of fresh) found.add(end);
          if (node.most === Infinity) from = fresh;
        }
        return found;
      }
    }
  }
  function step(node: Node, from: ReadonlySet<number>): Set<number> {
    return new Set([...from].flatMap((at) => [...ends(node, at)]));
  }
}
