/**
 * Remembers answers in an SQLite file. To record one costs its JSON and no more: batches go to a thread that writes
 * them. What cannot be written waits in memory up to a bound and is tried again; what is lost is counted and told.
 */

import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { Recorder } from '../contracts.ts';
import type { EventBounds } from './database.ts';
import { encodeEvent, type EncodedEvent } from './encode.ts';
import type { FromWriter, ToWriter, WriterData } from './writer.ts';

export interface EventStoreOptions extends Partial<EventBounds> {
  path: string;
  /** told in words; the same trouble once, until it is over */
  onProblem?: ((problem: string) => void) | undefined;
  /** so many events were lost just now, for metrics */
  onLost?: ((events: number) => void) | undefined;
  /** how long the end of the server waits for events that cannot be written yet. @default 5000 */
  closeMs?: number | undefined;
}

export interface EventStore extends Recorder {
  /** events that are in memory only */
  waiting(): number;
  /** since the store was opened */
  lost(): number;
  /** Waits until all that was recorded is written, or a try failed. */
  flush(): Promise<void>;
}

/** An event without texts is about two kilobytes, so that a million fits the bytes below. */
const MAX_ROWS = 1_000_000;
const MAX_AGE_DAYS = 90;
const MAX_BYTES = 4 * 2 ** 30;
/** A kill loses what is younger. */
const BATCH_MS = 200;
const BATCH_EVENTS = 100;
/** After trouble, what has gathered goes in larger pieces. */
const LARGEST_BATCH = 500;
/** What waits in memory while the file cannot be written: minutes of a busy server (CWE-770). */
const MAX_WAITING = 10_000;
const MAX_WAITING_CHARACTERS = 64 * 2 ** 20;
const MAX_RETRY_MS = 30_000;
/** A batch that SQLite itself refuses is given up after so many tries: it would block all others. */
const MAX_REFUSALS = 3;
/** Longer than another process holds the file, shorter than a supervisor waits before it kills. */
const CLOSE_MS = 5000;

const writerPath = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? './writer.ts' : './writer.js', import.meta.url),
);

export function openEventStore(options: EventStoreOptions): EventStore {
  const { path, onProblem, onLost, closeMs = CLOSE_MS } = options;
  const { maxRows = MAX_ROWS, maxAgeDays = MAX_AGE_DAYS, maxBytes = MAX_BYTES } = options;
  const data: WriterData = { path, maxRows, maxAgeDays, maxBytes };
  const queue: EncodedEvent[] = [];
  let characters = 0; // in the queue and in the batch
  let batch: EncodedEvent[] | undefined; // with the writer
  let worker: Worker | undefined;
  let timer: NodeJS.Timeout | undefined;
  let failures = 0; // in a row
  let lost = 0;
  let tellNext = 1; // count of lost events at which they are told of again
  let closed = false;
  const listeners = new Set<() => void>();

  function settled(): void {
    for (const listener of listeners) listener();
  }
  function lose(count: number, why: string): void {
    if (count === 0) return;
    lost += count;
    onLost?.(count);
    if (lost < tellNext) return;
    tellNext = lost * 2;
    onProblem?.(`${lost} ${lost === 1 ? 'event' : 'events'} lost so far (${path}): ${why}`);
  }
  function started(): Worker {
    const made = new Worker(writerPath, { workerData: data, execArgv: [] });
    made.unref(); // the server decides how long the process lives
    made.on('message', (message: FromWriter) => {
      if ('note' in message) onProblem?.(message.note);
      else if ('kept' in message) kept();
      else failed(message.failed, message.passes);
    });
    made.on('error', (error: Error) => {
      if (worker === made) worker = undefined;
      failed(`the writing thread ended: ${error.message}`, true);
    });
    return made;
  }
  function kept(): void {
    if (failures > 0)
      onProblem?.(`events are written again to ${path}${lost > 0 ? `; ${lost} were lost` : ''}`);
    failures = 0;
    for (const { json } of batch ?? []) characters -= json.length;
    batch = undefined;
    if (queue.length >= BATCH_EVENTS || listeners.size > 0) send();
    else if (queue.length > 0) schedule(BATCH_MS);
    settled();
  }
  function failed(why: string, passes: boolean): void {
    if (batch === undefined) return; // nothing was under way: the next batch tells
    failures++;
    if (failures === 1) onProblem?.(`events cannot be written to ${path} and wait in memory: ${why}`);
    if (!passes && failures >= MAX_REFUSALS) {
      for (const { json } of batch) characters -= json.length;
      lose(batch.length, why);
      failures = 0;
    } else queue.unshift(...batch);
    batch = undefined;
    schedule(Math.min(MAX_RETRY_MS, BATCH_MS * 2 ** failures));
    settled();
  }
  function schedule(ms: number): void {
    timer ??= setTimeout(() => {
      timer = undefined;
      send();
    }, ms).unref();
  }
  function send(): void {
    if (batch !== undefined || queue.length === 0) return;
    clearTimeout(timer);
    timer = undefined;
    worker ??= started();
    batch = queue.splice(0, LARGEST_BATCH);
    post(worker, { batch });
  }
  /** Until nothing waits, or a try failed. */
  async function drained(): Promise<void> {
    const before = failures;
    send();
    for (;;) {
      if (waiting() === 0 || failures > before) return;
      await new Promise<void>((resolve) => {
        const listener = (): void => {
          listeners.delete(listener);
          resolve();
        };
        listeners.add(listener);
        send();
      });
    }
  }
  function waiting(): number {
    return queue.length + (batch?.length ?? 0);
  }

  worker = started();

  return {
    waiting,
    lost: () => lost,
    record(event) {
      if (closed) return lose(1, 'the server is ending');
      let encoded: EncodedEvent;
      try {
        encoded = encodeEvent(event);
      } catch (error) {
        return lose(1, (error as Error).message);
      }
      if (waiting() >= MAX_WAITING || characters + encoded.json.length > MAX_WAITING_CHARACTERS)
        return lose(1, 'too many wait in memory to be written');
      queue.push(encoded);
      characters += encoded.json.length;
      if (failures > 0) return; // the retry takes it along
      if (queue.length >= BATCH_EVENTS) send();
      else schedule(BATCH_MS);
    },
    flush: () => drained(),
    async [Symbol.asyncDispose]() {
      if (closed) return;
      closed = true;
      worker?.ref();
      const end = performance.now() + closeMs;
      const left = (): number => Math.max(0, end - performance.now());
      while (waiting() > 0 && left() > 0) {
        await within(drained(), left());
        if (waiting() > 0) await within(new Promise(() => {}), Math.min(BATCH_MS, left()));
      }
      clearTimeout(timer);
      if (worker !== undefined) {
        const gone = new Promise<void>((resolve) => worker!.once('exit', () => resolve()));
        post(worker, 'close');
        await within(gone, Math.max(1000, left()));
        await worker.terminate();
      }
      lose(waiting(), 'they could not be written before the end');
      if (lost > 0) onProblem?.(`${lost} ${lost === 1 ? 'event was' : 'events were'} lost in all (${path})`);
    },
  };
}

function post(worker: Worker, message: ToWriter): void {
  worker.postMessage(message, []); // all is copied, nothing handed over
}

async function within(work: Promise<void>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  await Promise.race([work, new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)))]);
  clearTimeout(timer);
}
