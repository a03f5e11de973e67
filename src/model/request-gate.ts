/** When a request to a server may go out: so many at a time, so many a minute, and none while the server wants quiet. */

import { setTimeout as sleep } from 'node:timers/promises';
import { abortedError, throwIfAborted } from './abort.ts';

export interface RequestGateOptions {
  /** requests under way at a time */
  concurrency: number;
  /** begun in a minute, evenly spread. @default no limit */
  requestsPerMinute?: number | undefined;
}

export interface RequestGate {
  /** Waits for its turn. Whoever entered calls what it got when its request is over. */
  enter(signal?: AbortSignal): Promise<() => void>;
  /** No request goes out for so long. */
  pause(ms: number): void;
}

export function requestGate(options: RequestGateOptions): RequestGate {
  const spacing = options.requestsPerMinute === undefined ? 0 : 60_000 / options.requestsPerMinute;
  const waiting: (() => void)[] = []; // in the order of their coming
  let free = options.concurrency;
  let quietUntil = 0; // by performance.now()
  let nextStart = 0;

  function leave(): void {
    const next = waiting.shift();
    if (next) next();
    else free++;
  }

  async function takePlace(signal: AbortSignal | undefined): Promise<void> {
    throwIfAborted(signal);
    if (free > 0) {
      free--;
      return;
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const giveUp = (): void => {
      const at = waiting.indexOf(resolve);
      if (at < 0) return; // the place was just handed over: whoever has it leaves it
      waiting.splice(at, 1);
      reject(abortedError(signal!));
    };
    waiting.push(resolve);
    signal?.addEventListener('abort', giveUp, { once: true });
    await promise.finally(() => signal?.removeEventListener('abort', giveUp));
  }

  async function awaitStart(signal: AbortSignal | undefined): Promise<void> {
    for (;;) {
      const now = performance.now();
      const wait = Math.max(quietUntil, nextStart) - now;
      if (wait <= 0) {
        nextStart = now + spacing;
        return;
      }
      await sleep(Math.ceil(wait), undefined, { signal }).catch(() => throwIfAborted(signal));
    }
  }

  async function enter(signal?: AbortSignal): Promise<() => void> {
    await takePlace(signal);
    try {
      await awaitStart(signal);
    } catch (error) {
      leave();
      throw error;
    }
    return leave;
  }

  return {
    enter,
    pause: (ms) => {
      quietUntil = Math.max(quietUntil, performance.now() + ms);
    },
  };
}
