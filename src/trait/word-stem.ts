/** What the forms of an English word have in common, to see whether a text names a trait. */

/** Longest first, so that `hallucination` and `hallucinated` both lose all of their ending. */
const ENDINGS: readonly string[] = (
  'etically ically ation ating atory ated ator ance ancy ence ency etic ness less ' +
  'ant ate ent ful ing ism ist ity ive ous ed er ic ly ty e i s y'
).split(' ');

/** What is left when an ending goes must still be a word's core. */
const MIN_STEM = 3;

/**
 * `optimistic`, `optimism` and `optimists` → `optim`. Cruder than a dictionary: some unrelated words meet, but the forms of
 * one word do.
 */
export function wordStem(word: string): string {
  let stem = word.toLowerCase().replace('our', 'or'); // humour, behaviour: one word in both spellings
  for (;;) {
    const ending = ENDINGS.find((each) => stem.endsWith(each) && stem.length - each.length >= MIN_STEM);
    if (ending === undefined) return stem.replace(/(.)\1$/, '$1'); // funny → funn → fun
    stem = stem.slice(0, -ending.length);
  }
}
