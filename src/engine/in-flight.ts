/** Keeps the engine's batch full without handing it everything at once. */

/**
 * Runs `work` on every item, `limit` at a time, and yields what comes out as it comes.
 * The first failure ends the rest: what is under way is let go, and the error is thrown.
 */
export async function* inFlight<T, R>(
  items: readonly T[],
  limit: number,
  work: (item: T, signal: AbortSignal) => Promise<R>,
  signal?: AbortSignal,
): AsyncGenerator<R> {
  const stop = new AbortController();
  const linked = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
  const running = new Map<number, Promise<{ key: number; value: R }>>();
  let next = 0;
  try {
    while (next < items.length || running.size > 0) {
      while (next < items.length && running.size < limit) {
        const key = next++;
        running.set(
          key,
          work(items[key]!, linked).then((value) => ({ key, value })),
        );
      }
      const { key, value } = await Promise.race(running.values());
      running.delete(key);
      yield value;
    }
  } finally {
    stop.abort();
    await Promise.allSettled(running.values());
  }
}
