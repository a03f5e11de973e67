/** The names nearest to a mistyped one, for error messages. */

/** The typed name may be wrong in this share of the known one's letters, rounded up; beyond it, a guess confuses more than it helps. */
const MAX_WRONG_SHARE = 0.4;

/**
 * The known names within reach of `name`, nearest first; a name that begins like it counts as near too.
 * @param limit at most this many. @default 3
 */
export function closestNames(name: string, known: readonly string[], limit = 3): string[] {
  const typed = name.toLowerCase();
  return known
    .map((candidate) => ({ candidate, distance: distanceTo(typed, candidate.toLowerCase()) }))
    .filter(({ candidate, distance }) => distance <= Math.ceil(candidate.length * MAX_WRONG_SHARE))
    .sort((a, b) => a.distance - b.distance)
    .slice(0, limit)
    .map(({ candidate }) => candidate);
}

function distanceTo(typed: string, candidate: string): number {
  const distance = editDistance(typed, candidate);
  // "optim" is five keys short of "optimistic": whoever types the beginning of a word means it.
  return typed.length >= 3 && candidate.startsWith(typed) ? Math.min(1, distance) : distance;
}

/** Fewest insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`: `hte` → `the` is 1. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let best = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        best = Math.min(best, beforeLast[j - 2]! + 1);
      }
      row.push(best);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length]!;
}
