/**
 * The probability of each number 0 … 100, of a model whose tokens may be parts of numbers: the product over the number's
 * tokens, and of an end after them (paper §3.1: a judge's tokenizer may split numbers into digits, or keep up to three).
 */

export interface TokenChance {
  token: number;
  text: string;
  probability: number;
}

/** The likeliest next tokens after these. */
export type NextTokens = (prefix: readonly number[]) => Promise<readonly TokenChance[]>;

/** Branches below this are not followed: the ten together move a score by little. */
const LEAST_BRANCH = 0.01;
/** White space before a number; more than this is no answer. */
const MAX_SPACES = 2;

/**
 * Asks for the next tokens at most 14 times: once, after each first digit, after 10, and after white space.
 *
 * After one digit, and after 10, the number is over with whatever is no further digit. Other numbers of two digits and
 * 100 count as over: a third digit would make them no score.
 * @returns `0` … `100` → probability, and what else the first token may be, as it is written
 */
export async function digitTree(next: NextTokens): Promise<Map<string, number>> {
  const masses = new Map<string, number>();
  const add = (text: string, mass: number): void => {
    masses.set(text, (masses.get(text) ?? 0) + mass);
  };

  /** @param digits of the number so far, '' before it began */
  async function grow(prefix: readonly number[], digits: string, mass: number): Promise<void> {
    const chances = await next(prefix);
    const branches: Promise<void>[] = [];
    let over = 1; // what is left to tokens that do not go on with the number
    for (const { token, text, probability } of chances) {
      const share = mass * probability;
      const piece = digits === '' ? text.trimStart() : text;
      const more = /^\d+/.exec(piece)?.[0] ?? '';
      const number = digits + more;
      const further = (): void => {
        if (share >= LEAST_BRANCH) branches.push(grow([...prefix, token], number, share));
      };
      if (digits === '' && piece === '' && text !== '') {
        if (prefix.length < MAX_SPACES) further();
      } else if (more === '') {
        if (digits === '') add(text, share);
      } else {
        over -= probability;
        if (number.length > 3 || Number(number) > 100) continue; // no score; its mass is lost
        if (piece === more && maybeMore(number)) further();
        else add(String(Number(number)), share);
      }
    }
    if (digits !== '') add(String(Number(digits)), mass * Math.max(0, over));
    await Promise.all(branches);
  }

  await grow([], '', 1);
  return masses;
}

function maybeMore(number: string): boolean {
  return number.length === 1 || number === '10';
}
