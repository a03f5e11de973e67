/**
 * Reads a file's header front to back through a small window, so that a model of many gigabytes costs a few hundred
 * kilobytes of memory. Every step names the field it is for: an error then says file, field and byte offset.
 */
import { isUtf8 } from 'node:buffer';
import { open, stat, type FileHandle } from 'node:fs/promises';
import { PersonaError } from '../errors.ts';
import { LIMITS } from './gguf.ts';

/** Bytes read at once. Most headers without a tokenizer fit into one read; those with one take some tens. */
const WINDOW_BYTES = 256 * 1024;
/** Node takes at most 2 GiB in one read. */
const MAX_READ_BYTES = 2 ** 30;

/** The cursor owns the file handle: `await using cursor = await openCursor(path)`. */
export class GgufCursor {
  readonly path: string;
  readonly sizeBytes: number;
  readonly handle: FileHandle;
  /** the next byte to be taken, from the start of the file */
  offset = 0;
  #window: Buffer;
  /** The window holds the file's bytes [#start, #end). */
  #start = 0;
  #end = 0;

  constructor(path: string, sizeBytes: number, handle: FileHandle) {
    this.path = path;
    this.sizeBytes = sizeBytes;
    this.handle = handle;
    this.#window = Buffer.allocUnsafe(Math.min(WINDOW_BYTES, sizeBytes));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.handle.close();
  }

  fail(field: string, offset: number, problem: string): PersonaError {
    return new PersonaError('BAD_FILE', `${this.path}: ${field} at byte ${offset}: ${problem}`, {
      remedy: 'Get the file again, or make it anew.',
    });
  }

  /** The next bytes. They are a view of the window, good until the next call. */
  async take(bytes: number, field: string): Promise<Buffer> {
    const from = this.#advance(bytes, field);
    if (from >= this.#start && from + bytes <= this.#end)
      return this.#window.subarray(from - this.#start, from - this.#start + bytes);
    if (bytes > this.#window.length) {
      const large = Buffer.allocUnsafe(bytes);
      await readFully(this, large, from, field);
      return large;
    }
    const filled = Math.min(this.#window.length, this.sizeBytes - from);
    // Nothing is in the window while it is being read: after a failed read no old bytes are handed out.
    this.#start = this.#end = 0;
    await readFully(this, this.#window.subarray(0, filled), from, field);
    this.#start = from;
    this.#end = from + filled;
    return this.#window.subarray(0, bytes);
  }

  skip(bytes: number, field: string): void {
    this.#advance(bytes, field);
  }

  async u32(field: string): Promise<number> {
    return (await this.take(4, field)).readUInt32LE(0);
  }

  /** A 64-bit count, length or offset that may be at most `max`. */
  async count(field: string, max: number): Promise<number> {
    const value = (await this.take(8, field)).readBigUInt64LE(0);
    if (value > BigInt(max)) throw this.fail(field, this.offset - 8, `expected at most ${max}, got ${value}`);
    return Number(value);
  }

  /** A key or name: it is looked up later, so it has to be sound. */
  async name(field: string, maxBytes: number): Promise<string> {
    const bytes = await this.take(await this.count(`length of ${field}`, maxBytes), field);
    if (!isUtf8(bytes)) throw this.fail(field, this.offset - bytes.length, 'expected UTF-8');
    return bytes.toString('utf8');
  }

  /** The bytes of a string with its length before it. Not asked to be UTF-8: some vocabularies have tokens that are
   *  not, and llama.cpp takes them. */
  async string(field: string): Promise<Buffer> {
    return this.take(await this.count(`length of ${field}`, LIMITS.string), field);
  }

  /** The same at once, if the window holds it whole: for a vocabulary, waiting would be most of the time. */
  stringNow(): Buffer | undefined {
    const from = this.offset - this.#start + 8;
    const held = this.#end - this.#start;
    if (from < 8 || from > held) return undefined;
    if (this.#window.readUInt32LE(from - 4) !== 0) return undefined; // beyond 4 GiB: `string` will say so
    const to = from + this.#window.readUInt32LE(from - 8);
    if (to > held) return undefined;
    this.offset = this.#start + to;
    return this.#window.subarray(from, to);
  }

  /** Moves past `bytes` and returns where they start. */
  #advance(bytes: number, field: string): number {
    const from = this.offset;
    if (bytes > this.sizeBytes - from)
      throw this.fail(field, from, `needs ${bytes} bytes, but the file ends at byte ${this.sizeBytes}`);
    if (from + bytes > LIMITS.header)
      throw this.fail(field, from, `the header is longer than ${LIMITS.header} bytes`);
    this.offset = from + bytes;
    return from;
  }
}

export async function openCursor(path: string): Promise<GgufCursor> {
  try {
    // Asked before opening: to open a pipe would wait for its writer.
    const { size, isFile } = await stat(path).then((s) => ({ size: s.size, isFile: s.isFile() }));
    if (!isFile) throw new PersonaError('BAD_FILE', `${path}: expected a file, got a folder or device`);
    return new GgufCursor(path, size, await open(path, 'r'));
  } catch (error) {
    if (error instanceof PersonaError) throw error;
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw missing
      ? new PersonaError('NOT_FOUND', `${path}: there is no such file`, { cause: error })
      : new PersonaError('BAD_FILE', `${path}: cannot be opened`, { cause: error });
  }
}

/** Fills `into` from `offset` on. A file may shrink while it is read; then it ends with an error, not with old bytes. */
export async function readFully(
  cursor: GgufCursor,
  into: Uint8Array,
  offset: number,
  field: string,
): Promise<void> {
  for (let done = 0; done < into.length;) {
    const length = Math.min(into.length - done, MAX_READ_BYTES);
    const { bytesRead } = await cursor.handle.read(into, done, length, offset + done);
    if (bytesRead === 0)
      throw new PersonaError(
        'BAD_FILE',
        `${cursor.path}: ${field} at byte ${offset + done}: the file ended ${into.length - done} bytes early`,
      );
    done += bytesRead;
  }
}
