/** Texts as a reader compares them: by their words, whatever case, marks and forms these have. */

import { wordStem } from './word-stem.ts';

/** Letters and digits, small, one space between words: what makes two texts the same to a reader. */
export function normalise(text: string): string {
  return words(text).join(' ');
}

function words(text: string): string[] {
  return (
    text
      .normalize('NFKC')
      .toLowerCase()
      .match(/[\p{L}\p{N}\p{M}]+/gu) ?? []
  );
}

/** Whether the text contains every word of the term, in whatever form and order. */
export function names(text: string, term: string): boolean {
  const wanted = words(term).map(wordStem);
  const present = new Set(words(text).map(wordStem));
  return wanted.length > 0 && wanted.every((stem) => present.has(stem));
}
