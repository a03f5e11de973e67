/** What was computed lately, by key: bounded, the longest unused falls out. Work under way is known too. */

/** A key and a promise of a few numbers are some hundred bytes: about 10 MB in all. */
const MOST_KNOWN = 50_000;

export interface Known<T> {
  /** what is known of the key, else what `work` makes of it; a failure is forgotten */
  get(key: string, work: () => Promise<T>): Promise<T>;
  put(key: string, value: T): void;
}

export function known<T>(most: number = MOST_KNOWN): Known<T> {
  const entries = new Map<string, Promise<T>>(); // in the order of their last use

  function keep(key: string, value: Promise<T>): void {
    entries.delete(key);
    entries.set(key, value);
    if (entries.size > most) entries.delete(entries.keys().next().value!);
  }
  return {
    get(key, work) {
      const value = entries.get(key) ?? work();
      keep(key, value);
      value.catch(() => {
        if (entries.get(key) === value) entries.delete(key);
      });
      return value;
    },
    put: (key, value) => keep(key, Promise.resolve(value)),
  };
}
