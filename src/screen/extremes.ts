/** The few items with the largest and the smallest values of a stream. */

export interface Extremes<T> {
  add(value: number | null, item: T): void;
  /** the largest first */
  top(): { value: number; item: T }[];
  /** the smallest first */
  bottom(): { value: number; item: T }[];
}

export function extremes<T>(most: number): Extremes<T> {
  const top: { value: number; item: T }[] = [];
  const bottom: { value: number; item: T }[] = [];
  function keep(list: typeof top, entry: { value: number; item: T }, sign: 1 | -1): void {
    const at = list.findIndex(({ value }) => sign * value < sign * entry.value);
    if (at < 0 && list.length === most) return;
    list.splice(at < 0 ? list.length : at, 0, entry);
    if (list.length > most) list.pop();
  }
  return {
    add(value, item) {
      if (value === null) return;
      keep(top, { value, item }, 1);
      keep(bottom, { value, item }, -1);
    },
    top: () => top,
    bottom: () => bottom,
  };
}
