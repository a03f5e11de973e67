/** How often one score orders two things as another does. */

import { ranks } from './ranks.ts';

/**
 * The share of pairs with different b that a orders the same way; a tie in a counts half. 0.5 = blind, NaN where all b
 * are equal. It is Harrell's C, (Somers' D + 1) / 2; with a b of two values the AUC.
 *
 * concordance([1, 3, 2], [1, 2, 3]): of three pairs two are ordered the same, 2/3
 */
export function concordance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const n = a.length;
  if (b.length !== n) throw new RangeError(`expected pairs, got ${n} and ${b.length} values`);
  const place = ranks(a); // halves where there are ties
  const order = Array.from({ length: n }, (_, i) => i).sort((i, j) => b[i]! - b[j]!);
  // counts of the a below so far, by twice their rank, as a Fenwick tree: (2n + 1)
  const tree = new Uint32Array(2 * n + 1);
  const below = (rank: number): number => {
    let sum = 0;
    for (let k = 2 * rank; k > 0; k -= k & -k) sum += tree[k]!;
    return sum;
  };
  let pairs = 0;
  let same = 0;
  for (let start = 0; start < n;) {
    let end = start + 1;
    while (end < n && b[order[end]!] === b[order[start]!]) end++;
    for (let k = start; k < end; k++) {
      const rank = place[order[k]!]!;
      same += (below(rank) + below(rank - 0.5)) / 2; // those with less, and half of the equal ones
      pairs += start;
    }
    for (let k = start; k < end; k++)
      for (let at = 2 * place[order[k]!]!; at <= 2 * n; at += at & -at) tree[at]!++;
    start = end;
  }
  return pairs === 0 ? NaN : same / pairs;
}
