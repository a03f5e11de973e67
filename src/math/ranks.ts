/** Ranks from 1, equal values sharing the middle of the places that they take. ranks([10, 30, 20, 30]) = [1, 3.5, 2, 3.5] */
export function ranks(values: ArrayLike<number>): Float64Array {
  const n = values.length;
  const order = Array.from({ length: n }, (_, i) => i).sort((a, b) => values[a]! - values[b]!);
  const out = new Float64Array(n);
  let start = 0;
  while (start < n) {
    const value = values[order[start]!];
    let end = start + 1;
    while (end < n && value === values[order[end]!]) end++;
    const middle = (start + 1 + end) / 2; // places start+1 … end
    for (let i = start; i < end; i++) out[order[i]!] = middle;
    start = end;
  }
  return out;
}
