/** Values of a label, no more than so many: whoever can choose names must not fill the memory with series (CWE-770). */

/** Longer names are cut: they are kept for each series. */
const MAX_CHARACTERS = 100;
const OTHER = 'other';

/** The first `limit` different values stay themselves. boundedLabels(1): 'a' → 'a', 'b' → 'other', 'a' → 'a' */
export function boundedLabels(limit: number): (value: string) => string {
  const known = new Set<string>();
  return (value) => {
    const label = value.slice(0, MAX_CHARACTERS);
    if (known.has(label)) return label;
    if (known.size >= limit) return OTHER;
    known.add(label);
    return label;
  };
}
