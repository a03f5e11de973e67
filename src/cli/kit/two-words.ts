/** Options of llama.cpp that take two words, as one: commander's options take one word or all that follow. */

const RANGE = '--control-vector-layer-range'; // A B
const SCALED = '--control-vector-scaled'; // FNAME SCALE, the older form of FNAME:SCALE
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const ENDS_IN_SCALE = /:[+-]?[\d.]+(e[+-]?\d+)?$/i;

/** joinTwoWords(['--control-vector-layer-range', '10', '31']) = ['--control-vector-layer-range', '10,31'] */
export function joinTwoWords(argv: readonly string[]): string[] {
  const out: string[] = [];
  for (let i = 0; i < argv.length; i++) {
    const [word, first, second] = [argv[i]!, argv[i + 1], argv[i + 2]];
    if (word === '--') return [...out, ...argv.slice(i)];
    out.push(word);
    if (first === undefined || second === undefined || !NUMBER.test(second)) continue;
    if (word === RANGE && NUMBER.test(first)) out.push(`${first},${second}`);
    else if (word === SCALED && !ENDS_IN_SCALE.test(first)) out.push(`${first}:${second}`);
    else continue;
    i += 2;
  }
  return out;
}
