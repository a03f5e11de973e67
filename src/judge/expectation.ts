/**
 * From the probabilities of a judge's first token to a score: the expectation over the tokens that are numbers, as the
 * reference has it (paper §3.1). A score that cannot be said comes with the reason.
 */

/** `0_100`: whole numbers 0 … 100. `0_10`: the digits 0 … 9. `yes_no`: the share of YES, 0 … 1. */
export type ScoreMode = '0_100' | '0_10' | 'yes_no';

export type Score =
  | { value: number; reason?: undefined }
  | { value: null; reason: 'refusal' | 'unparseable' };

/** Scores on less than this say more of the judge's confusion than of the answer. */
const LEAST_MASS = 0.25;

const REFUSAL = 'REFUSAL';

/**
 * expectation({80: .6, 90: .3, REFUSAL: .1}) = (48 + 27) / 0.9 = 83.33
 * @param tokens token → probability; spellings of one number (` 40`, `40`) count together
 */
export function expectation(tokens: ReadonlyMap<string, number>, mode: ScoreMode = '0_100'): Score {
  const value = mode === 'yes_no' ? shareOfYes(tokens) : meanNumber(tokens, mode === '0_10' ? 9 : 100, mode);
  if (value !== undefined) return { value };
  return { value: null, reason: refuses(tokens) ? 'refusal' : 'unparseable' };
}

function meanNumber(tokens: ReadonlyMap<string, number>, most: number, mode: ScoreMode): number | undefined {
  const masses = new Map<number, number>();
  for (const [token, probability] of tokens) {
    const value = pythonInt(token);
    if (value === undefined || value < 0 || value > most) continue;
    masses.set(value, (masses.get(value) ?? 0) + probability);
  }
  const refusal = massOf(tokens, (token) => token === REFUSAL);
  if (mode === '0_10' && refusal > Math.max(0, ...masses.values())) return undefined;
  let total = 0;
  let weighted = 0;
  for (const [value, mass] of masses) {
    total += mass;
    weighted += value * mass;
  }
  return total < LEAST_MASS ? undefined : weighted / total;
}

function shareOfYes(tokens: ReadonlyMap<string, number>): number | undefined {
  const yes = massOf(tokens, (token) => token.toUpperCase() === 'YES');
  const no = massOf(tokens, (token) => token.toUpperCase() === 'NO');
  const refusal = massOf(tokens, (token) => token === REFUSAL);
  if (yes + no < LEAST_MASS || refusal > Math.max(yes, no)) return undefined;
  return yes / (yes + no);
}

function massOf(tokens: ReadonlyMap<string, number>, counts: (token: string) => boolean): number {
  let sum = 0;
  for (const [token, probability] of tokens) if (counts(token.trim())) sum += probability;
  return sum;
}

/** The word, or what a tokenizer makes its beginning, is likelier than any other token. */
function refuses(tokens: ReadonlyMap<string, number>): boolean {
  const begins = (token: string): boolean => token !== '' && REFUSAL.startsWith(token);
  let other = 0;
  for (const [token, probability] of tokens) if (!begins(token.trim())) other = Math.max(other, probability);
  return massOf(tokens, begins) > other;
}

/** What Python's int() makes of a token: white space around it, a sign and lone underscores within are allowed. */
export function pythonInt(token: string): number | undefined {
  const text = token.trim();
  return /^[+-]?\d+(_\d+)*$/.test(text) ? Number(text.replaceAll('_', '')) : undefined;
}

/** The score that a judge wrote out, for servers that tell no probabilities: a number at the beginning, or REFUSAL. */
export function scoreInText(text: string): Score {
  const said = withoutThoughts(text);
  if (said.includes('<think>')) return { value: null, reason: 'unparseable' }; // it never came to an end
  const number = /^[\s*]*(\d+)/.exec(said)?.[1];
  if (number !== undefined && Number(number) <= 100) return { value: Number(number) };
  return { value: null, reason: /\bREFUSAL\b/.test(said) ? 'refusal' : 'unparseable' };
}

/** Everything up to the last `</think>` is a reasoning model's talk with itself. */
export function withoutThoughts(text: string): string {
  const end = text.lastIndexOf('</think>');
  return end < 0 ? text : text.slice(end + '</think>'.length).trimStart();
}
