/** Lines that a person types, or that come out of a pipe. */

import { createInterface, type Interface } from 'node:readline';
import { Writable } from 'node:stream';

const PROMPT = '> ';

export interface Lines {
  /** undefined when there are no more */
  next(): Promise<string | undefined>;
  /** what Ctrl-C does now; absent: it ends the lines */
  interrupt: (() => void) | undefined;
  close(): void;
}

/** Lines as they are typed; those typed during a reply wait, and are not shown in the midst of it. */
export function openLines(
  input: NodeJS.ReadableStream,
  output: NodeJS.WritableStream | undefined,
  signal: AbortSignal,
): Lines {
  const waiting: string[] = [];
  let ended = false;
  let asking: (() => void) | undefined;
  const shown = output && whileAsking(output, () => asking !== undefined);
  const reader: Interface = createInterface({
    input,
    terminal: shown !== undefined,
    prompt: shown === undefined ? '' : PROMPT,
    ...(shown && { output: shown }),
  });

  reader.on('line', (line) => {
    waiting.push(line);
    asking?.();
  });
  reader.on('close', () => {
    ended = true;
    output?.write('\n');
    asking?.();
  });
  reader.on('SIGINT', () => {
    if (lines.interrupt) lines.interrupt();
    else if (reader.line === '') reader.close();
    else {
      reader.write(null, { ctrl: true, name: 'e' }); // to the end of what is typed,
      reader.write(null, { ctrl: true, name: 'u' }); // and all before it away
    }
  });
  const stop = (): void => reader.close();
  signal.addEventListener('abort', stop, { once: true });

  const lines: Lines = {
    interrupt: undefined,
    async next() {
      if (waiting.length === 0 && !ended) {
        await new Promise<void>((resolve) => {
          asking = resolve;
          if (shown !== undefined) reader.prompt(true);
        });
        asking = undefined;
      }
      signal.throwIfAborted();
      return waiting.shift();
    },
    close() {
      signal.removeEventListener('abort', stop);
      reader.close();
    },
  };
  return lines;
}

/** The terminal, but only while a line is asked for: otherwise what is typed would mix with the reply. */
function whileAsking(output: NodeJS.WritableStream, asking: () => boolean): NodeJS.WritableStream {
  const gate = new Writable({
    write(chunk: Buffer, _encoding, done) {
      if (asking()) output.write(chunk);
      done();
    },
  });
  return Object.assign(gate, { columns: (output as { columns?: number }).columns ?? 80 });
}
