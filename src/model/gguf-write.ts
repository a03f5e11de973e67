/**
 * Writes GGUF files, version 3. The same input gives the same bytes. Tensor data is asked for and written one tensor
 * at a time, under a temporary name beside the target; the file appears under its own name only when it is whole.
 */
import { randomBytes } from 'node:crypto';
import { open, rename, rm, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { PersonaError } from '../errors.ts';
import {
  alignmentOf,
  alignUp,
  GGML_TYPES,
  LIMITS,
  tensorBytes,
  VALUE_TYPE_IDS,
  type GgmlType,
  type GgufElementType,
  type GgufValue,
} from './gguf.ts';

/** Numbers of the tensor's own type, or the bytes of any type as they stand in the file. */
export type TensorData = Float32Array | Float16Array | Int32Array | Uint8Array;

export interface TensorToWrite {
  name: string;
  /** ggml's order, fastest first */
  shape: readonly number[];
  type: GgmlType;
  /** Given as a function, it is called when its turn has come, so that only one tensor is in memory. */
  data: TensorData | (() => TensorData | Promise<TensorData>);
}

export interface GgufToWrite {
  path: string;
  /** Written in this order. `general.alignment` also sets the alignment. */
  metadata: Iterable<readonly [key: string, value: GgufValue]>;
  /** Written in this order. @default none */
  tensors?: readonly TensorToWrite[];
}

interface PlacedTensor {
  tensor: TensorToWrite;
  bytes: number;
  /** from the start of the tensor data */
  offset: number;
}

export async function writeGguf({ path, metadata, tensors = [] }: GgufToWrite): Promise<void> {
  const values = new Map<string, GgufValue>();
  for (const [key, value] of metadata) {
    if (values.has(key)) throw wrong(path, key, 'is there twice');
    values.set(key, value);
  }
  const alignment = alignmentOf(values);
  if (typeof alignment === 'string') throw wrong(path, 'general.alignment', `expected ${alignment}`);
  const placed = place(path, tensors, alignment);
  const header = encodeHeader(path, values, placed, alignment);

  // In the same folder, since a rename is whole only within one file system.
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    await writeParts(path, temporary, header, placed, alignment);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncFolder(dirname(path));
}

async function writeParts(
  path: string,
  temporary: string,
  header: Buffer,
  tensors: readonly PlacedTensor[],
  alignment: number,
): Promise<void> {
  await using handle = await create(path, temporary);
  await handle.writeFile(header);
  for (const { tensor, bytes } of tensors) {
    await handle.writeFile(await dataOf(path, tensor, bytes));
    // Also after the last one: llama.cpp reads the data section as one piece, padding included.
    await handle.writeFile(Buffer.alloc(alignUp(bytes, alignment) - bytes));
  }
  await handle.sync();
}

async function create(path: string, temporary: string): Promise<FileHandle> {
  try {
    return await open(temporary, 'wx'); // never into a file that someone else has put there
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause;
    throw new PersonaError('NOT_FOUND', `${path}: the folder does not exist`, { cause });
  }
}

/** Makes the new name itself lasting. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return; // a folder cannot be opened there
  await using handle = await open(folder, 'r');
  await handle.sync();
}

function place(path: string, tensors: readonly TensorToWrite[], alignment: number): PlacedTensor[] {
  if (tensors.length > LIMITS.tensors) throw wrong(path, 'tensors', `expected at most ${LIMITS.tensors}`);
  const names = new Set<string>();
  let offset = 0;
  return tensors.map((tensor) => {
    const field = `tensor ${tensor.name}`;
    if (names.has(tensor.name)) throw wrong(path, field, 'is there twice');
    names.add(tensor.name);
    const bytes = tensorBytes(tensor.type, tensor.shape);
    if (typeof bytes === 'string') throw wrong(path, field, `expected ${bytes}`);
    const placed = { tensor, bytes, offset };
    offset += alignUp(bytes, alignment);
    return placed;
  });
}

async function dataOf(path: string, tensor: TensorToWrite, bytes: number): Promise<Uint8Array> {
  const data = typeof tensor.data === 'function' ? await tensor.data() : tensor.data;
  const ofType =
    data instanceof Uint8Array ||
    (data instanceof Float32Array && tensor.type === 'F32') ||
    (data instanceof Float16Array && tensor.type === 'F16') ||
    (data instanceof Int32Array && tensor.type === 'I32');
  if (!ofType) throw wrong(path, `tensor ${tensor.name}`, `data of ${tensor.type} cannot be such an array`);
  if (data.byteLength !== bytes)
    throw wrong(path, `tensor ${tensor.name}`, `expected ${bytes} bytes of data, got ${data.byteLength}`);
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** Everything before the tensor data, padded to where that starts. */
function encodeHeader(
  path: string,
  metadata: Map<string, GgufValue>,
  tensors: readonly PlacedTensor[],
  alignment: number,
): Buffer {
  if (metadata.size > LIMITS.metadata) throw wrong(path, 'metadata', `expected at most ${LIMITS.metadata}`);
  const parts: Buffer[] = [Buffer.from('GGUF'), u32(3), u64(tensors.length), u64(metadata.size)];
  for (const [key, value] of metadata) {
    if (key === '') throw wrong(path, 'metadata', 'expected a key, got an empty one');
    parts.push(...text(path, key, key, LIMITS.key), ...encodeValue(path, key, value));
  }
  for (const { tensor, offset } of tensors) {
    parts.push(...text(path, `tensor ${tensor.name}`, tensor.name, LIMITS.name), u32(tensor.shape.length));
    parts.push(...tensor.shape.map(u64), u32(GGML_TYPES[tensor.type].id), u64(offset));
  }
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  if (length > LIMITS.header)
    throw wrong(path, 'header', `expected at most ${LIMITS.header} bytes, got ${length}`);
  return Buffer.concat(parts, alignUp(length, alignment)); // concat fills up with zeros
}

function encodeValue(path: string, key: string, value: GgufValue): Buffer[] {
  if (value.type !== 'array')
    return [u32(VALUE_TYPE_IDS[value.type]), ...encodeScalar(path, key, value.type, value.value)];
  const { of, items } = value;
  if (items.length > LIMITS.array) throw wrong(path, key, `expected at most ${LIMITS.array} elements`);
  const head = [u32(VALUE_TYPE_IDS.array), u32(VALUE_TYPE_IDS[of]), u64(items.length)];
  if (ArrayBuffer.isView(items))
    return [...head, Buffer.from(items.buffer, items.byteOffset, items.byteLength)];
  // one piece: a vocabulary of 262,144 would be more pieces than a call has room for
  return [...head, Buffer.concat(items.flatMap((item) => encodeScalar(path, key, of, item)))];
}

function encodeScalar(
  path: string,
  key: string,
  type: GgufElementType,
  value: string | number | bigint | boolean,
): Buffer[] {
  if (typeof value === 'string') return text(path, key, value, LIMITS.string);
  const bytes = Buffer.alloc(8);
  try {
    return [bytes.subarray(0, writers[type as keyof typeof writers](bytes, value as never))];
  } catch (cause) {
    throw wrong(path, key, `expected a value of type ${type}, got ${value}`, cause);
  }
}

/** Each writes one scalar and returns its size in bytes. The integer ones throw when the value does not fit. */
const writers = {
  u8: (into: Buffer, value: number) => into.writeUInt8(whole(value)),
  i8: (into: Buffer, value: number) => into.writeInt8(whole(value)),
  u16: (into: Buffer, value: number) => into.writeUInt16LE(whole(value)),
  i16: (into: Buffer, value: number) => into.writeInt16LE(whole(value)),
  u32: (into: Buffer, value: number) => into.writeUInt32LE(whole(value)),
  i32: (into: Buffer, value: number) => into.writeInt32LE(whole(value)),
  f32: (into: Buffer, value: number) => into.writeFloatLE(value),
  f64: (into: Buffer, value: number) => into.writeDoubleLE(value),
  u64: (into: Buffer, value: bigint) => into.writeBigUInt64LE(value),
  i64: (into: Buffer, value: bigint) => into.writeBigInt64LE(value),
  bool: (into: Buffer, value: boolean) => into.writeUInt8(value ? 1 : 0),
};

/** Buffer would cut 1.5 to 1 without a word. */
function whole(value: number): number {
  if (!Number.isInteger(value)) throw new RangeError('not a whole number');
  return value;
}

function text(path: string, field: string, value: string, maxBytes: number): Buffer[] {
  // A lone surrogate has no UTF-8; it would come back as another character.
  if (!value.isWellFormed()) throw wrong(path, field, 'has half a surrogate pair');
  const bytes = Buffer.from(value);
  if (bytes.length > maxBytes)
    throw wrong(path, field, `expected at most ${maxBytes} bytes, got ${bytes.length}`);
  return [u64(bytes.length), bytes];
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

function wrong(path: string, field: string, problem: string, cause?: unknown): PersonaError {
  return new PersonaError('USAGE', `${path}: ${field}: ${problem}`, cause === undefined ? {} : { cause });
}
