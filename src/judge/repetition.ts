/**
 * How much a text repeats itself. Strong steering drives small models into loops, and a loop is all but certain to the
 * model that is in it: its own likelihood says nothing against it.
 */

/** Words that make a phrase: shorter ones recur in any text. */
const PHRASE = 4;
/** Ordinary prose repeats less than this share of its phrases. */
const ORDINARY = 0.2;

/** Share of the phrases of four words that came before, 0 … 1. repetition('a b c d a b c d') = 1 of 5 = 0.2 */
export function repetition(text: string): number {
  const words = text.toLowerCase().match(/[\p{L}\p{N}'’]+/gu) ?? [];
  const phrases = words.length - PHRASE + 1;
  if (phrases < 2) return 0;
  const seen = new Set<string>();
  for (let i = 0; i < phrases; i++) seen.add(words.slice(i, i + PHRASE).join(' '));
  return 1 - seen.size / phrases;
}

/** What is left of a text's coherence for its repetition: 1 for ordinary prose, 0 for one phrase over and over. */
export function freshness(text: string): number {
  return Math.min(1, (1 - repetition(text)) / (1 - ORDINARY));
}
