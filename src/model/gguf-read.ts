/**
 * Reads GGUF files, versions 2 and 3, little endian: metadata and the places of the tensors with `readGguf`, one
 * tensor's numbers with `readTensor`. A broken or hostile file ends in a PersonaError that names file, field and
 * byte offset; nothing is allocated or looped over for a number from the file before it is checked.
 */
import { PersonaError } from '../errors.ts';
import { openCursor, readFully, type GgufCursor } from './gguf-cursor.ts';
import {
  alignmentOf,
  alignUp,
  elementCount,
  GGML_TYPES,
  LIMITS,
  NUMBER_ARRAYS,
  tensorBytes,
  VALUE_TYPE_IDS,
  type GgmlType,
  type Gguf,
  type GgufArray,
  type GgufElementType,
  type GgufScalar,
  type GgufTensor,
  type GgufValue,
  type SkippedArray,
} from './gguf.ts';

export interface ReadGgufOptions {
  /** Longer arrays are skipped, and only their length is kept: vocabularies are most of a model's header.
   *  @default Infinity */
  skipArraysOver?: number;
}

/** Bytes of a half-precision tensor that are widened at once. */
const PIECE_BYTES = 1024 * 1024;

const valueTypes = new Map(Object.entries(VALUE_TYPE_IDS).map(([name, id]) => [id as number, name]));
const ggmlTypes = new Map(
  Object.entries(GGML_TYPES).map(([name, { id }]) => [id as number, name as GgmlType]),
);

/** Reads all but the tensors' data. */
export async function readGguf(path: string, options: ReadGgufOptions = {}): Promise<Gguf> {
  await using cursor = await openCursor(path);
  const version = await readVersion(cursor);
  const tensorCount = await cursor.count('number of tensors', LIMITS.tensors);
  const metadataCount = await cursor.count('number of metadata keys', LIMITS.metadata);

  const metadata: Gguf['metadata'] = new Map();
  for (let i = 0; i < metadataCount; i++) {
    const at = cursor.offset;
    const key = await cursor.name(`metadata key ${i}`, LIMITS.key);
    if (key === '') throw cursor.fail(`metadata key ${i}`, at, 'expected a name, got none');
    if (metadata.has(key)) throw cursor.fail(`metadata key ${key}`, at, 'is there twice');
    metadata.set(key, await readValue(cursor, key, options.skipArraysOver ?? Infinity));
  }
  const alignment = alignmentOf(metadata);
  if (typeof alignment === 'string')
    throw cursor.fail('general.alignment before the tensors', cursor.offset, `expected ${alignment}`);

  const tensors: Gguf['tensors'] = new Map();
  for (let i = 0; i < tensorCount; i++) {
    const at = cursor.offset;
    const tensor = await readTensorInfo(cursor, i, alignment);
    if (tensors.has(tensor.name)) throw cursor.fail(`tensor ${tensor.name}`, at, 'is there twice');
    tensors.set(tensor.name, tensor);
  }
  placeTensors(cursor, tensors, alignUp(cursor.offset, alignment));
  return { path, version, sizeBytes: cursor.sizeBytes, alignment, metadata, tensors };
}

/** A tensor's bytes as they stand in the file, all or from `from` (of the tensor) on. */
export async function readTensorBytes(
  gguf: Gguf,
  name: string,
  from = 0,
  bytes?: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const tensor = gguf.tensors.get(name);
  if (tensor === undefined) throw new PersonaError('NOT_FOUND', `${gguf.path}: there is no tensor ${name}`);
  const out = new Uint8Array(bytes ?? tensor.bytes - from);
  await using file = await openCursor(gguf.path);
  await readFully(file, out, tensor.offset + from, `tensor ${name}`);
  return out;
}

/** A tensor's numbers in the order of the file, from F32, F16, BF16 or Q8_0. */
export async function readTensor(gguf: Gguf, name: string): Promise<Float32Array> {
  const tensor = gguf.tensors.get(name);
  if (tensor === undefined) throw new PersonaError('NOT_FOUND', `${gguf.path}: there is no tensor ${name}`);
  const { type, offset } = tensor;
  const field = `tensor ${name}`;
  const elements = elementCount(tensor.shape);
  if (type !== 'F32' && type !== 'F16' && type !== 'BF16' && type !== 'Q8_0')
    throw new PersonaError(
      'UNSUPPORTED',
      `${gguf.path}: ${field}: expected F32, F16, BF16 or Q8_0, got ${type}`,
    );
  if (elements > LIMITS.floats)
    throw new PersonaError(
      'UNSUPPORTED',
      `${gguf.path}: ${field}: expected at most ${LIMITS.floats} elements, got ${elements}`,
    );

  if (type === 'Q8_0') return fromQ8(await readTensorBytes(gguf, name));
  const numbers = new Float32Array(elements);
  await using file = await openCursor(gguf.path);
  if (type === 'F32') {
    await readFully(file, new Uint8Array(numbers.buffer), offset, field);
    return numbers;
  }
  const piece = new Uint16Array(Math.min(PIECE_BYTES / 2, elements));
  for (let at = 0; at < elements; at += piece.length) {
    const halves = piece.subarray(0, elements - at);
    await readFully(file, new Uint8Array(halves.buffer, 0, halves.byteLength), offset + at * 2, field);
    widen(type, halves, numbers.subarray(at, at + piece.length));
  }
  return numbers;
}

function widen(type: 'F16' | 'BF16', halves: Uint16Array<ArrayBuffer>, into: Float32Array): void {
  if (type === 'F16') {
    into.set(new Float16Array(halves.buffer, 0, halves.length));
    return;
  }
  // A bfloat16 is the upper half of a float32.
  const words = new Uint32Array(into.buffer, into.byteOffset, into.length);
  for (let i = 0; i < words.length; i++) words[i] = halves[i]! << 16;
}

/** Blocks of 32 numbers: a half, then 32 signed bytes that it is multiplied with. */
function fromQ8(bytes: Uint8Array<ArrayBuffer>): Float32Array {
  const { blockSize, blockBytes } = GGML_TYPES.Q8_0;
  const numbers = new Float32Array((bytes.length / blockBytes) * blockSize);
  const data = new DataView(bytes.buffer);
  for (let block = 0; block * blockBytes < bytes.length; block++) {
    const at = block * blockBytes;
    const step = data.getFloat16(at, true);
    for (let i = 0; i < blockSize; i++) numbers[block * blockSize + i] = step * data.getInt8(at + 2 + i);
  }
  return numbers;
}

async function readVersion(cursor: GgufCursor): Promise<number> {
  const magic = (await cursor.take(4, 'magic')).toString('latin1');
  if (magic !== 'GGUF') throw cursor.fail('magic', 0, `expected GGUF, got ${JSON.stringify(magic)}`);
  const version = await cursor.u32('version');
  if (version === 2 || version === 3) return version;
  const bigEndian = (version & 0xffff) === 0 && version !== 0;
  throw cursor.fail('version', 4, bigEndian ? 'the file is big endian' : `expected 2 or 3, got ${version}`);
}

async function readValue(
  cursor: GgufCursor,
  key: string,
  skipArraysOver: number,
): Promise<GgufValue | SkippedArray> {
  const type = await readValueType(cursor, `type of ${key}`);
  if (type !== 'array') return readScalar(cursor, key, type);
  const at = cursor.offset;
  const of = await readValueType(cursor, `element type of ${key}`);
  if (of === 'array') throw cursor.fail(`element type of ${key}`, at, 'arrays of arrays are not supported');
  const length = await cursor.count(`length of ${key}`, LIMITS.array);
  if (length <= skipArraysOver) return readArray(cursor, key, of, length);
  if (of === 'string')
    for (let i = 0; i < length; i++) {
      if (cursor.stringNow() !== undefined) continue;
      const field = `${key}[${i}]`;
      cursor.skip(await cursor.count(`length of ${field}`, LIMITS.string), field);
    }
  else cursor.skip(length * elementBytes(of), key);
  return { type: 'skipped', of, length };
}

async function readValueType(cursor: GgufCursor, field: string): Promise<GgufElementType | 'array'> {
  const id = await cursor.u32(field);
  const type = valueTypes.get(id);
  if (type === undefined) throw cursor.fail(field, cursor.offset - 4, `expected 0 to 12, got ${id}`);
  return type as GgufElementType | 'array';
}

async function readScalar(cursor: GgufCursor, key: string, type: GgufElementType): Promise<GgufScalar> {
  if (type === 'string') return { type, value: (await cursor.string(key)).toString() };
  const array = await readArray(cursor, key, type, 1);
  return { type, value: array.items[0] } as GgufScalar;
}

async function readArray(
  cursor: GgufCursor,
  key: string,
  of: GgufElementType,
  length: number,
): Promise<GgufArray> {
  if (of === 'string') {
    const items: string[] = [];
    for (let i = 0; i < length; i++)
      items.push((cursor.stringNow() ?? (await cursor.string(`${key}[${i}]`))).toString());
    return { type: 'array', of, items };
  }
  const bytes = await cursor.take(length * elementBytes(of), key);
  if (of === 'bool') {
    const strange = bytes.findIndex((byte) => byte > 1);
    if (strange >= 0)
      throw cursor.fail(key, cursor.offset - length + strange, `expected 0 or 1, got ${bytes[strange]}`);
    return { type: 'array', of, items: Array.from(bytes, (byte) => byte === 1) };
  }
  // Copied: the window is used again, and a typed array needs its own alignment.
  const items = new NUMBER_ARRAYS[of](new Uint8Array(bytes).buffer);
  return { type: 'array', of, items } as GgufArray;
}

function elementBytes(of: Exclude<GgufElementType, 'string'>): number {
  return of === 'bool' ? 1 : NUMBER_ARRAYS[of].BYTES_PER_ELEMENT;
}

/** The tensor's offset is still counted from the start of the tensor data, whose place is known after the last one. */
async function readTensorInfo(cursor: GgufCursor, index: number, alignment: number): Promise<GgufTensor> {
  const name = await cursor.name(`name of tensor ${index}`, LIMITS.name);
  const field = `tensor ${name}`;
  const at = cursor.offset;
  const dimensions = await cursor.u32(`${field} dimensions`);
  if (dimensions > LIMITS.dimensions)
    throw cursor.fail(`${field} dimensions`, at, `expected at most ${LIMITS.dimensions}, got ${dimensions}`);
  const shape: number[] = [];
  for (let i = 0; i < dimensions; i++)
    shape.push(await cursor.count(`${field} shape[${i}]`, Number.MAX_SAFE_INTEGER));

  const typeId = await cursor.u32(`${field} type`);
  const type = ggmlTypes.get(typeId);
  if (type === undefined)
    throw cursor.fail(`${field} type`, cursor.offset - 4, `expected a known ggml type, got ${typeId}`);
  const bytes = tensorBytes(type, shape);
  if (typeof bytes === 'string') throw cursor.fail(`${field} shape`, at + 4, `expected ${bytes}`);

  const offset = await cursor.count(`${field} offset`, cursor.sizeBytes);
  if (offset % alignment !== 0)
    throw cursor.fail(
      `${field} offset`,
      cursor.offset - 8,
      `expected a multiple of ${alignment}, got ${offset}`,
    );
  return { name, shape, type, offset, bytes };
}

/** Makes offsets absolute, and checks that every tensor lies in the file and none on another. */
function placeTensors(cursor: GgufCursor, tensors: Gguf['tensors'], dataOffset: number): void {
  for (const tensor of tensors.values()) {
    tensor.offset += dataOffset;
    if (tensor.offset + tensor.bytes > cursor.sizeBytes)
      throw cursor.fail(
        `tensor ${tensor.name}`,
        tensor.offset,
        `needs ${tensor.bytes} bytes, but the file ends at byte ${cursor.sizeBytes}`,
      );
  }
  const inOrder = [...tensors.values()].filter((t) => t.bytes > 0).sort((a, b) => a.offset - b.offset);
  for (const [i, tensor] of inOrder.entries()) {
    const before = inOrder[i - 1];
    if (before !== undefined && before.offset + before.bytes > tensor.offset)
      throw cursor.fail(`tensor ${tensor.name}`, tensor.offset, `lies on tensor ${before.name}`);
  }
}
