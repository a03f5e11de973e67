/**
 * HTML that cannot be broken out of. A template tagged `html` escapes everything put into it, unless that is itself
 * a piece of HTML made by the tag. The mark is a symbol, so no text or JSON from a model can carry it.
 */

const mark: unique symbol = Symbol('html');

/** A finished piece of HTML. */
export interface Html {
  readonly [mark]: string;
}

/** What may stand in a template: text and numbers are escaped, HTML and lists of it go in as they are. */
export type Part = string | number | Html | null | undefined | readonly Part[];

const entities: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text as it may stand between tags and inside quoted attributes. HTML has no way to write a control character,
 *  so those become the replacement character. */
export function escapeHtml(text: string): string {
  return text
    .replace(/[&<>"']/g, (character) => entities[character] ?? character)
    .replace(/(?![\t\n\r])\p{Cc}/gu, '\ufffd');
}

export function html(strings: TemplateStringsArray, ...parts: Part[]): Html {
  let text = strings[0] ?? '';
  for (const [index, part] of parts.entries()) text += source(part) + (strings[index + 1] ?? '');
  return trusted(text);
}

/** Marks text as HTML without escaping it: for our own constants and for what a serialiser has escaped. */
export function trusted(text: string): Html {
  return { [mark]: text };
}

/** The HTML text of a template's part. */
export function source(part: Part): string {
  if (part === null || part === undefined) return '';
  if (typeof part === 'string') return escapeHtml(part);
  if (typeof part === 'number') return escapeHtml(String(part));
  if (isList(part)) return part.map(source).join('');
  return part[mark];
}

function isList(part: Html | readonly Part[]): part is readonly Part[] {
  return Array.isArray(part);
}
