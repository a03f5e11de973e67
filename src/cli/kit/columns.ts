/** Texts side by side in a terminal, wrapped at words; one below the other where there is no room. */

import { displayWidth, harmless } from './text.ts';

export interface Column {
  title: string;
  text: string;
}

const GAP = '   ';
/** A narrower column breaks most lines after a few words. */
const NARROWEST = 28;
/** Longer lines are hard to read. */
const WIDEST = 80;

/**
 * columns([{ title: 'a', text: 'one two' }, { title: 'b', text: 'three' }], 60) =
 *   a                              b
 *   ────────────────────────────   ────────────────────────────
 *   one two                        three
 */
export function columns(parts: readonly Column[], width: number): string {
  const each = Math.floor((width - GAP.length * (parts.length - 1)) / parts.length);
  if (each < NARROWEST)
    return parts.map((part) => block(part, Math.min(width, WIDEST)).join('\n')).join('\n\n');
  const size = Math.min(each, WIDEST);
  const blocks = parts.map((part) => block(part, size));
  const height = Math.max(...blocks.map((lines) => lines.length));
  return Array.from({ length: height }, (_, i) =>
    blocks
      .map((lines) => pad(lines[i] ?? '', size))
      .join(GAP)
      .trimEnd(),
  ).join('\n');
}

function block({ title, text }: Column, width: number): string[] {
  return [...wrap(title, width), '─'.repeat(width), ...wrap(text, width)];
}

/** Lines of at most `width` columns, broken at spaces; words that are longer are cut. wrap('to be or', 5) = ['to be', 'or'] */
export function wrap(text: string, width: number): string[] {
  return harmless(text)
    .replaceAll('\t', '  ')
    .split('\n')
    .flatMap((line) => wrapLine(line, width));
}

function wrapLine(line: string, width: number): string[] {
  const lines: string[] = [];
  let open = '';
  for (const word of line.split(/(?<= )(?=[^ ])/)) {
    if (displayWidth((open + word).trimEnd()) > width && open !== '') {
      lines.push(open.trimEnd());
      open = '';
    }
    open += word;
    while (displayWidth(open.trimEnd()) > width) {
      const fits = fitting(open, width);
      lines.push(open.slice(0, fits));
      open = open.slice(fits);
    }
  }
  return [...lines, open.trimEnd()];
}

const graphemes = new Intl.Segmenter();

/** How much of the text fits, at least one character. */
function fitting(text: string, width: number): number {
  let used = 0;
  for (const { segment, index } of graphemes.segment(text)) {
    used += displayWidth(segment);
    if (used > width && index > 0) return index;
  }
  return text.length;
}

function pad(line: string, width: number): string {
  return line + ' '.repeat(Math.max(0, width - displayWidth(line)));
}
