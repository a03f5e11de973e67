/**
 * The thread that writes events: a slow disk or a locked file makes it wait, and no answer. It is handed one batch at a
 * time and says of each whether it is kept.
 */

import { parentPort, workerData } from 'node:worker_threads';
import {
  type EventBounds,
  type EventDatabase,
  isBroken,
  openEventDatabase,
  putAside,
  resultCode,
} from './database.ts';
import type { EncodedEvent } from './encode.ts';

export interface WriterData extends EventBounds {
  path: string;
}

export type ToWriter = { batch: EncodedEvent[] } | 'close';
export type FromWriter =
  | { kept: number }
  /** nothing of the batch is kept; `passes`: it may go well later */
  | { failed: string; passes: boolean }
  | { note: string };

/** Busy, locked, read-only, I/O, full, cannot be opened: of the place, not of the events. */
const PASSES: readonly number[] = [5, 6, 8, 10, 13, 14];
/** Also without new answers, old ones go. */
const TRIM_MS = 3_600_000;

if (parentPort) serve(parentPort, workerData as WriterData);

function serve(port: NonNullable<typeof parentPort>, { path, ...bounds }: WriterData): void {
  const tell = (message: FromWriter): void => port.postMessage(message);
  let database: EventDatabase | undefined;

  /** On a fresh file where the old one is broken. */
  function opened(): EventDatabase {
    try {
      return (database ??= openEventDatabase(path, bounds));
    } catch (error) {
      if (!isBroken(error)) throw error;
      tell({ note: `${path} was broken: it now lies at ${putAside(path)}, and a new one is begun` });
      return (database = openEventDatabase(path, bounds));
    }
  }
  function write(batch: readonly EncodedEvent[]): FromWriter {
    try {
      opened().add(batch);
      return { kept: batch.length };
    } catch (error) {
      if (isBroken(error)) {
        database?.close();
        database = undefined; // opened anew with the next try, which sees that it is broken
        try {
          tell({ note: `${path} is broken: it now lies at ${putAside(path)}, and a new one is begun` });
        } catch {
          // told of with the next failure
        }
        return { failed: (error as Error).message, passes: true };
      }
      const fromSystem = typeof (error as NodeJS.ErrnoException).syscall === 'string';
      return { failed: (error as Error).message, passes: fromSystem || PASSES.includes(resultCode(error)) };
    }
  }

  const trimming = setInterval(() => {
    try {
      database?.trim();
    } catch {
      // the next batch tells
    }
  }, TRIM_MS);

  port.on('message', (message: ToWriter) => {
    if (message !== 'close') return tell(write(message.batch));
    clearInterval(trimming);
    database?.close();
    port.close();
  });
  // at once, so that a path that cannot be written is told of before the first answer
  const first = write([]);
  if ('failed' in first) tell({ note: `${path} cannot be written yet: ${first.failed}` });
}
