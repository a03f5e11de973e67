/** The order of checkpoints: by the number that tells their names apart, else as they were given. */

/**
 * The numbers in names that differ by one number alone; undefined where they differ otherwise.
 *
 * stepsIn(['run/checkpoint-200.gguf', 'run/checkpoint-50.gguf']) = [200, 50]; stepsIn(['a1', 'b2']) = undefined
 */
export function stepsIn(names: readonly string[]): number[] | undefined {
  if (names.length < 2) return undefined;
  const parts = names.map((name) => name.split(/(\d+)/)); // text, number, text, …
  const [first] = parts;
  if (parts.some((own) => own.length !== first!.length)) return undefined;
  const differing = first!.flatMap((part, i) => (parts.every((own) => own[i] === part) ? [] : [i]));
  const [place] = differing;
  if (place === undefined || differing.length > 1 || place % 2 === 0) return undefined;
  const steps = parts.map((own) => Number(own[place]));
  return new Set(steps).size === steps.length ? steps : undefined;
}

/** What each path is called: its file's name, or as much of the path as tells it apart. */
export function shortNames(paths: readonly string[]): string[] {
  const parts = paths.map((path) => path.replace(/\.gguf$/i, '').split(/[\\/]/));
  return parts.map((own, i) => {
    for (let take = 1; take < own.length; take++) {
      const name = own.slice(-take).join('/');
      if (parts.every((other, k) => k === i || other.slice(-take).join('/') !== name)) return name;
    }
    return own.join('/');
  });
}
