/**
 * JSONL: one JSON value a line. Written as a log that only grows, so that a killed run goes on where it was; read as a
 * stream, so that a file may be larger than memory.
 *
 * A process killed while it writes leaves a torn last line, one without its newline. That is expected and repaired:
 * reopening the log cuts it away and says so. Anything else broken is an error that names file:line.
 */

import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { z } from 'zod';
import { PersonaError } from '../errors.ts';
import { checkJson } from './check-json.ts';
import { decodeText } from './decode-text.ts';
import { fileProblem } from './file-problem.ts';

/** The longest line that is read. A 128k-token conversation with a projection on each token is about 4 MB; a file
 *  without newlines would otherwise be taken into memory whole (CWE-770). */
export const MAX_LINE_BYTES: number = 64 * 2 ** 20;

const NEWLINE = 0x0a;
const TAIL_STEP = 64 * 1024; // bytes read at a time when looking back for the last newline

/** A last line that was not finished. */
export interface TornLine {
  /** `file:line` where the line is known, else the file */
  place: string;
  bytes: number;
}

// --- writing ---------------------------------------------------------------------------------------------------------

export interface OpenJsonlOptions {
  /** Wait until each line is on the disk: safe against power cuts, some milliseconds a line. @default false */
  sync?: boolean;
  /** Told of a torn last line that was cut away. */
  onTorn?: (torn: TornLine) => void;
}

/** A log open for appending. One writer at a time. */
export interface JsonlLog extends AsyncDisposable {
  readonly path: string;
  /** Adds one line by one write. Calls that overlap keep their order. */
  append(row: object): Promise<void>;
  /** Waits for the lines under way. */
  close(): Promise<void>;
}

/** Opens a log, or begins one. A whole last row that only lacks its newline is kept. */
export async function openJsonl(path: string, options: OpenJsonlOptions = {}): Promise<JsonlLog> {
  let file: FileHandle;
  let end: number; // of the last whole line
  try {
    await mkdir(dirname(path), { recursive: true });
    file = await open(path, 'a+');
  } catch (error) {
    throw fileProblem('write', path, error);
  }
  try {
    end = await mendTail(file, path, options.onTorn);
  } catch (error) {
    await file.close();
    throw fileProblem('write', path, error);
  }

  let last: Promise<void> = Promise.resolve();

  async function write(line: Uint8Array): Promise<void> {
    try {
      const { bytesWritten } = await file.write(line);
      if (bytesWritten < line.length) throw Object.assign(new Error('short write'), { code: 'ENOSPC' });
      if (options.sync) await file.datasync();
      end += line.length;
    } catch (error) {
      await file.truncate(end).catch(() => {}); // no half line, to which the next would be glued
      throw fileProblem('write', path, error);
    }
  }

  async function append(row: object): Promise<void> {
    const line = Buffer.from(`${JSON.stringify(row)}\n`);
    const written = last.then(() => write(line));
    last = written.catch(() => {}); // this line's caller hears of it; the next line is tried all the same
    await written;
  }

  async function close(): Promise<void> {
    await last;
    await file.close();
  }

  return { path, append, close, [Symbol.asyncDispose]: close };
}

/** Makes the file end with a newline (or be empty), and returns its length. */
async function mendTail(file: FileHandle, path: string, onTorn?: (torn: TornLine) => void): Promise<number> {
  const { size } = await file.stat();
  const start = await lastLineStart(file, size);
  if (start === size) return size;
  if (size - start <= MAX_LINE_BYTES) {
    const tail = Buffer.alloc(size - start);
    await file.read(tail, 0, tail.length, start);
    if (isWholeRow(tail)) {
      await file.write('\n');
      return size + 1;
    }
  }
  await file.truncate(start);
  onTorn?.({ place: path, bytes: size - start });
  return start;
}

/** The place after the last newline; 0 without one. */
async function lastLineStart(file: FileHandle, size: number): Promise<number> {
  const block = Buffer.alloc(TAIL_STEP);
  for (let end = size; end > 0;) {
    const start = Math.max(0, end - TAIL_STEP);
    const { bytesRead } = await file.read(block, 0, end - start, start);
    const at = block.subarray(0, bytesRead).lastIndexOf(NEWLINE);
    if (at >= 0) return start + at + 1;
    end = start;
  }
  return 0;
}

/** An object or list that parses is whole; a number may be the beginning of a longer one. */
function isWholeRow(tail: Buffer): boolean {
  try {
    return typeof JSON.parse(tail.toString()) === 'object';
  } catch {
    return false;
  }
}

// --- reading ---------------------------------------------------------------------------------------------------------

/** Where lines come from, when not from a file: standard input, a download. */
export interface ByteSource {
  /** names the source in errors */
  name: string;
  bytes: AsyncIterable<Uint8Array>;
}

export interface ReadJsonlOptions {
  /** Told of a torn last line, which is then left out. Without it, a torn line is an error. */
  onTorn?: (torn: TornLine) => void;
  /** @default MAX_LINE_BYTES */
  maxLineBytes?: number;
}

export interface JsonlRow<T> {
  /** from 1 */
  line: number;
  value: T;
}

/** The rows of a file or stream, checked one by one. Blank lines are passed over. */
export async function* readJsonl<T>(
  source: string | ByteSource,
  schema: z.ZodType<T>,
  options: ReadJsonlOptions = {},
): AsyncGenerator<JsonlRow<T>> {
  const name = typeof source === 'string' ? source : source.name;
  for await (const { line, bytes, whole } of readLines(source, options.maxLineBytes)) {
    const place = `${name}:${line}`;
    if (!whole && !isBlank(bytes) && !isWholeRow(bytes)) {
      if (options.onTorn === undefined) {
        throw new PersonaError(
          'BAD_FILE',
          `${place}: the last line is torn: it ends in the middle of a row`,
          {
            remedy: 'Remove that line, or write the file again.',
          },
        );
      }
      options.onTorn({ place, bytes: bytes.length });
      return;
    }
    if (!isBlank(bytes)) yield { line, value: checkJson(decodeText(bytes, place), place, schema) };
  }
}

export function isBlank(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0d); // space, tab, carriage return
}

export interface Line {
  /** from 1 */
  line: number;
  bytes: Buffer;
  /** ended by a newline */
  whole: boolean;
}

/** The lines of a file or stream as bytes, for readers that judge them by themselves. */
export async function* readLines(
  source: string | ByteSource,
  maxBytes: number = MAX_LINE_BYTES,
): AsyncGenerator<Line> {
  const name = typeof source === 'string' ? source : source.name;
  const blocks = typeof source === 'string' ? createReadStream(source) : source.bytes;
  let line = 1;
  let parts: Uint8Array[] = []; // of the line that is not yet whole
  let length = 0;

  function keep(part: Uint8Array): void {
    length += part.length;
    if (length > maxBytes) {
      throw new PersonaError('BAD_FILE', `${name}:${line}: a line of more than ${maxBytes} bytes`, {
        remedy: 'Check that the file is JSONL: one JSON value a line.',
      });
    }
    parts.push(part);
  }

  try {
    for await (const block of blocks as AsyncIterable<Uint8Array>) {
      let start = 0;
      for (let at = block.indexOf(NEWLINE); at >= 0; at = block.indexOf(NEWLINE, start)) {
        keep(block.subarray(start, at));
        yield { line, bytes: Buffer.concat(parts), whole: true };
        line++;
        parts = [];
        length = 0;
        start = at + 1;
      }
      if (start < block.length) keep(block.subarray(start));
    }
  } catch (error) {
    throw fileProblem('read', name, error);
  }
  if (length > 0) yield { line, bytes: Buffer.concat(parts), whole: false };
}
