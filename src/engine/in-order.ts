/** Work on several items at once, with the results in the order of the items. */

/**
 * Begins work on up to `limit` items before the first of their results was taken. The source is read on while results
 * are awaited, so a slow one (a person, a pipe) holds up nothing. Whatever fails, source or work, is thrown in its turn:
 * after the results of the items before it.
 */
export async function* mapInOrder<T, R>(
  source: Iterable<T> | AsyncIterable<T>,
  limit: number,
  work: (item: T) => Promise<R>,
): AsyncGenerator<R> {
  const state = { over: false, ended: false }; // nobody wants more; nothing more will come
  const queue: Promise<R>[] = [];
  let moved = Promise.withResolvers<void>();

  function move(): void {
    moved.resolve();
    moved = Promise.withResolvers();
  }
  function push(result: Promise<R>): void {
    result.catch(() => {}); // thrown when its turn comes
    queue.push(result);
    move();
  }
  async function fill(): Promise<void> {
    try {
      for await (const item of source) {
        if (state.over) return;
        push(work(item));
        while (queue.length >= limit && !state.over) await moved.promise;
      }
    } catch (error) {
      push(Promise.reject(error));
    } finally {
      state.ended = true;
      move();
    }
  }

  void fill();
  try {
    for (;;) {
      while (queue.length === 0 && !state.ended) await moved.promise;
      const [next] = queue;
      if (next === undefined) return;
      const result = await next;
      void queue.shift();
      move();
      yield result;
    }
  } finally {
    state.over = true;
    move();
  }
}
