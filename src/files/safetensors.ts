/**
 * The safetensors format: eight bytes of length, a JSON header that says where each tensor lies, then the numbers, row
 * by row. Nothing is allocated for a number from the file before it is checked against the file's size.
 */

import { type FileHandle, open, stat } from 'node:fs/promises';
import { z } from 'zod';
import { PersonaError } from '../errors.ts';
import { checkJson, issuesText } from './check-json.ts';
import { decodeText } from './decode-text.ts';
import { fileProblem } from './file-problem.ts';
import { FLOAT_BYTES, floatBytes, isFloatFormat, toFloats } from './float-formats.ts';
import { writeWhole } from './write-whole.ts';

/** Models of a thousand tensors need some 100 kB; recipes are smaller. Bytes (CWE-770). */
const MAX_HEADER_BYTES = 16 * 2 ** 20;
const LENGTH_BYTES = 8;
const MAX_DIMENSIONS = 8;
/** Numbers are read in pieces of this size, so that a file may be larger than memory. Bytes. */
const PIECE_BYTES = 8 * 2 ** 20;
/** All layers of the largest models are some 10 MB a vector. Also the most for one row. Bytes. */
const MAX_WHOLE_BYTES = 2 ** 30;
/** Writers let the numbers begin at a multiple of this, by spaces behind the header. Bytes. */
const ALIGNMENT = 8;

export interface SafeTensor {
  /** `F32`, `BF16`, `I64`, … */
  dtype: string;
  shape: number[];
  /** from the start of the file */
  offset: number;
  bytes: number;
}

export interface Safetensors {
  path: string;
  metadata: Map<string, string>;
  tensors: Map<string, SafeTensor>;
}

const size = z.int().min(0);
const tensorSchema = z.object({
  dtype: z.string(),
  shape: z.array(size).max(MAX_DIMENSIONS),
  data_offsets: z.tuple([size, size]),
});
const headerSchema = z.record(z.string(), z.unknown());
const metadataSchema = z.record(z.string(), z.string());

/** Reads all but the numbers. @throws PersonaError BAD_FILE or NOT_FOUND naming file and field */
export async function readSafetensors(path: string): Promise<Safetensors> {
  const { size: fileBytes } = await sizeOf(path);
  await using file = await opened(path);
  const lengthBytes = Buffer.alloc(LENGTH_BYTES);
  await fill(file, lengthBytes, 0, path, 'length of the header');
  const length = lengthBytes.readBigUInt64LE();
  const most = Math.min(MAX_HEADER_BYTES, fileBytes - LENGTH_BYTES);
  if (length > BigInt(most))
    throw bad(path, `the header is said to have ${length} bytes, expected at most ${most}`);
  const headerBytes = Buffer.alloc(Number(length));
  await fill(file, headerBytes, LENGTH_BYTES, path, 'header');
  const place = `${path}: header`;
  const header = checkJson(decodeText(headerBytes, place), place, headerSchema);
  const dataOffset = LENGTH_BYTES + headerBytes.length;
  const tensors = new Map<string, SafeTensor>();
  const metadata = new Map<string, string>();
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__')
      for (const [key, value] of Object.entries(checked(path, name, metadataSchema, entry)))
        metadata.set(key, value);
    else
      tensors.set(name, placed(path, name, checked(path, name, tensorSchema, entry), dataOffset, fileBytes));
  }
  refuseOverlaps(path, tensors);
  return { path, metadata, tensors };
}

function checked<T>(path: string, name: string, schema: z.ZodType<T>, value: unknown): T {
  const found = schema.safeParse(value);
  if (found.success) return found.data;
  throw bad(path, `${name}: ${issuesText(found.error.issues)}`);
}

function placed(
  path: string,
  name: string,
  { dtype, shape, data_offsets: [begin, end] }: z.infer<typeof tensorSchema>,
  dataOffset: number,
  fileBytes: number,
): SafeTensor {
  const bytes = end - begin;
  if (bytes < 0 || dataOffset + end > fileBytes)
    throw bad(path, `${name}: data_offsets [${begin}, ${end}] of ${fileBytes - dataOffset} bytes of numbers`);
  const count = shape.reduce((product, extent) => product * extent, 1);
  if (isFloatFormat(dtype) && bytes !== count * FLOAT_BYTES[dtype])
    throw bad(path, `${name}: ${bytes} bytes for a shape [${shape.join(', ')}] of ${dtype}`);
  return { dtype, shape, offset: dataOffset + begin, bytes };
}

function refuseOverlaps(path: string, tensors: Map<string, SafeTensor>): void {
  const inOrder = [...tensors].filter(([, { bytes }]) => bytes > 0);
  inOrder.sort(([, a], [, b]) => a.offset - b.offset);
  for (const [i, [name, { offset }]] of inOrder.entries()) {
    const before = inOrder[i - 1];
    if (before && before[1].offset + before[1].bytes > offset)
      throw bad(path, `${name} lies on ${before[0]}, at byte ${offset}`);
  }
}

/** A tensor's numbers, whole. @throws PersonaError BAD_FILE where they are not finite floats */
export async function readSafetensor(file: Safetensors, name: string): Promise<Float32Array> {
  const { bytes = 0 } = file.tensors.get(name) ?? {};
  if (bytes > MAX_WHOLE_BYTES)
    throw bad(file.path, `${name} has ${bytes} bytes, more than the ${MAX_WHOLE_BYTES} of any vector`);
  const parts: Float32Array[] = [];
  for await (const { numbers } of safetensorRows(file, name)) parts.push(numbers);
  const [only] = parts;
  if (only && parts.length === 1) return only;
  const out = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

export interface SafetensorPiece {
  /** first row of the piece */
  row: number;
  /** whole rows, (n × row length) */
  numbers: Float32Array;
}

/** A tensor's rows (along its first dimension) a few megabytes at a time. A vector is one row. */
export async function* safetensorRows(file: Safetensors, name: string): AsyncGenerator<SafetensorPiece> {
  const { path } = file;
  const tensor = file.tensors.get(name);
  if (!tensor) throw bad(path, `there is no tensor ${name}`);
  const { dtype, shape, offset, bytes } = tensor;
  if (!isFloatFormat(dtype)) throw bad(path, `${name}: expected F64, F32, F16 or BF16, got ${dtype}`);
  if (bytes === 0) return;
  const rows = shape.length > 1 ? shape[0]! : 1;
  const rowBytes = bytes / rows;
  if (rowBytes > MAX_WHOLE_BYTES) throw bad(path, `${name}: rows of ${rowBytes} bytes`);
  const most = Math.max(1, Math.floor(PIECE_BYTES / rowBytes));
  await using handle = await opened(path);
  for (let row = 0; row < rows; row += most) {
    const piece = Buffer.alloc(Math.min(most, rows - row) * rowBytes);
    await fill(handle, piece, offset + row * rowBytes, path, name);
    const numbers = toFloats(piece, dtype);
    const strange = numbers.findIndex((value) => !Number.isFinite(value));
    if (strange >= 0)
      throw bad(
        path,
        `${name} holds a value that is not finite, at ${row * (rowBytes / FLOAT_BYTES[dtype]) + strange}`,
      );
    yield { row, numbers };
  }
}

export interface SafetensorToWrite {
  name: string;
  shape: readonly number[];
  data: Float32Array;
}

export async function writeSafetensors(
  path: string,
  tensors: readonly SafetensorToWrite[],
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  const header: Record<string, unknown> = { __metadata__: metadata };
  let at = 0;
  for (const { name, shape, data } of tensors) {
    header[name] = { dtype: 'F32', shape, data_offsets: [at, at + data.byteLength] };
    at += data.byteLength;
  }
  const text = Buffer.from(JSON.stringify(header));
  const padded = Math.ceil(text.length / ALIGNMENT) * ALIGNMENT;
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeBigUInt64LE(BigInt(padded));
  const spaces = Buffer.alloc(padded - text.length, ' ');
  await writeWhole(
    path,
    Buffer.concat([length, text, spaces, ...tensors.map(({ data }) => floatBytes(data))]),
  );
}

async function sizeOf(path: string): Promise<{ size: number }> {
  try {
    const found = await stat(path);
    if (!found.isFile()) throw bad(path, 'expected a file, got a folder or device');
    return found;
  } catch (error) {
    throw fileProblem('read', path, error);
  }
}

async function opened(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r');
  } catch (error) {
    throw fileProblem('read', path, error);
  }
}

async function fill(
  file: FileHandle,
  into: Buffer,
  offset: number,
  path: string,
  what: string,
): Promise<void> {
  for (let done = 0; done < into.length;) {
    const { bytesRead } = await file.read(into, done, into.length - done, offset + done);
    if (bytesRead === 0) throw bad(path, `${what} at byte ${offset}: the file ends at byte ${offset + done}`);
    done += bytesRead;
  }
}

function bad(path: string, problem: string): PersonaError {
  return new PersonaError('BAD_FILE', `${path}: ${problem}`, {
    remedy: 'Get the file again, or make it anew.',
  });
}
