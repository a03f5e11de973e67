/** A queue between what is told and who reads it: filled at once, read as it comes. */

export interface Channel<T> extends AsyncIterable<T> {
  push(value: T): void;
  /** what was pushed is still read */
  end(error?: unknown): void;
}

export function channel<T>(): Channel<T> {
  const values: T[] = [];
  let ended = false;
  let failure: { error: unknown } | undefined;
  let wake = (): void => {};
  return {
    push(value) {
      values.push(value);
      wake();
    },
    end(error) {
      ended = true;
      if (error !== undefined) failure = { error };
      wake();
    },
    async *[Symbol.asyncIterator]() {
      for (;;) {
        while (values.length > 0) yield values.shift()!;
        if (failure) throw failure.error;
        if (ended) return;
        await new Promise<void>((resolve) => (wake = resolve));
      }
    },
  };
}
