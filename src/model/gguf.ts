/**
 * GGUF as plain data: metadata values with their types, ggml's tensor types with their block sizes, and the limits
 * that reader and writer share, so that whatever is written can be read.
 *
 * Shapes are in ggml's order, fastest first: a matrix of r rows and c columns has the shape [c, r].
 */
import { PersonaError } from '../errors.ts';

/** Where tensor data starts, and each tensor in it, unless `general.alignment` says otherwise. Bytes. */
export const DEFAULT_ALIGNMENT = 32;

/** Whatever is counted in a file has a cap: a broken count must not become a long loop or a large allocation. */
interface Limits {
  metadata: number;
  tensors: number;
  key: number;
  name: number;
  string: number;
  array: number;
  header: number;
  dimensions: number;
  alignment: number;
  floats: number;
}
export const LIMITS: Readonly<Limits> = {
  /** Real models have under 100 keys. */
  metadata: 65_536,
  /** The largest mixtures of experts have some thousand tensors. */
  tensors: 131_072,
  /** Bytes in a key; the format's own bound. */
  key: 65_535,
  /** Bytes in a tensor's name: ggml keeps 64 with the final zero, and refuses more. */
  name: 63,
  /** Bytes in one string. The longest known hold a whole tokenizer.json, some 20 MB. */
  string: 2 ** 26,
  /** Elements of one array. The longest known are lists of merges, about half a million. */
  array: 2 ** 23,
  /** Bytes before the tensor data. Vocabularies of 256k tokens with merges need about 20 MB. */
  header: 2 ** 27,
  /** Dimensions of a tensor, ggml's bound. */
  dimensions: 4,
  /** Bytes. Beyond the page sizes of any machine it only makes padding. */
  alignment: 2 ** 21,
  /** Elements of one tensor read as floats: 4 GiB. Directions, norms and adapters are far below. */
  floats: 2 ** 30,
};

/** Metadata value types by their number in the file; `array` is 9. */
export const VALUE_TYPE_IDS = {
  u8: 0,
  i8: 1,
  u16: 2,
  i16: 3,
  u32: 4,
  i32: 5,
  f32: 6,
  bool: 7,
  string: 8,
  array: 9,
  u64: 10,
  i64: 11,
  f64: 12,
} as const;

/** The typed arrays that hold elements of each numeric type. They and the file are little endian, as is every
 *  machine that llama.cpp's libraries are built for here. */
interface NumberArrays {
  u8: Uint8Array;
  i8: Int8Array;
  u16: Uint16Array;
  i16: Int16Array;
  u32: Uint32Array;
  i32: Int32Array;
  f32: Float32Array;
  u64: BigUint64Array;
  i64: BigInt64Array;
  f64: Float64Array;
}
export type GgufNumberType = keyof NumberArrays;
export type GgufElementType = GgufNumberType | 'bool' | 'string';

/** BYTES_PER_ELEMENT is the type's size in the file. */
export const NUMBER_ARRAYS: {
  [T in GgufNumberType]: { BYTES_PER_ELEMENT: number; new (buffer: ArrayBuffer): NumberArrays[T] };
} = {
  u8: Uint8Array,
  i8: Int8Array,
  u16: Uint16Array,
  i16: Int16Array,
  u32: Uint32Array,
  i32: Int32Array,
  f32: Float32Array,
  u64: BigUint64Array,
  i64: BigInt64Array,
  f64: Float64Array,
};

type ScalarOf<T extends GgufElementType> = T extends 'string'
  ? string
  : T extends 'bool'
    ? boolean
    : T extends 'u64' | 'i64'
      ? bigint
      : number;
type ItemsOf<T extends GgufElementType> = T extends GgufNumberType ? NumberArrays[T] : ScalarOf<T>[];

export type GgufScalar = { [T in GgufElementType]: { type: T; value: ScalarOf<T> } }[GgufElementType];
export type GgufArray = {
  [T in GgufElementType]: { type: 'array'; of: T; items: ItemsOf<T> };
}[GgufElementType];
/** A metadata value with the type it has in the file. Arrays of arrays are left out: llama.cpp refuses them too. */
export type GgufValue = GgufScalar | GgufArray;

/** An array that was not kept, because it is longer than the reader was asked for. */
export interface SkippedArray {
  type: 'skipped';
  of: GgufElementType;
  length: number;
}

/** Elements and bytes of one block of each tensor type, with the type's number in the file (ggml_type). */
export const GGML_TYPES = {
  F32: { id: 0, blockSize: 1, blockBytes: 4 },
  F16: { id: 1, blockSize: 1, blockBytes: 2 },
  Q4_0: { id: 2, blockSize: 32, blockBytes: 18 },
  Q4_1: { id: 3, blockSize: 32, blockBytes: 20 },
  Q5_0: { id: 6, blockSize: 32, blockBytes: 22 },
  Q5_1: { id: 7, blockSize: 32, blockBytes: 24 },
  Q8_0: { id: 8, blockSize: 32, blockBytes: 34 },
  Q8_1: { id: 9, blockSize: 32, blockBytes: 36 },
  Q2_K: { id: 10, blockSize: 256, blockBytes: 84 },
  Q3_K: { id: 11, blockSize: 256, blockBytes: 110 },
  Q4_K: { id: 12, blockSize: 256, blockBytes: 144 },
  Q5_K: { id: 13, blockSize: 256, blockBytes: 176 },
  Q6_K: { id: 14, blockSize: 256, blockBytes: 210 },
  Q8_K: { id: 15, blockSize: 256, blockBytes: 292 },
  IQ2_XXS: { id: 16, blockSize: 256, blockBytes: 66 },
  IQ2_XS: { id: 17, blockSize: 256, blockBytes: 74 },
  IQ3_XXS: { id: 18, blockSize: 256, blockBytes: 98 },
  IQ1_S: { id: 19, blockSize: 256, blockBytes: 50 },
  IQ4_NL: { id: 20, blockSize: 32, blockBytes: 18 },
  IQ3_S: { id: 21, blockSize: 256, blockBytes: 110 },
  IQ2_S: { id: 22, blockSize: 256, blockBytes: 82 },
  IQ4_XS: { id: 23, blockSize: 256, blockBytes: 136 },
  I8: { id: 24, blockSize: 1, blockBytes: 1 },
  I16: { id: 25, blockSize: 1, blockBytes: 2 },
  I32: { id: 26, blockSize: 1, blockBytes: 4 },
  I64: { id: 27, blockSize: 1, blockBytes: 8 },
  F64: { id: 28, blockSize: 1, blockBytes: 8 },
  IQ1_M: { id: 29, blockSize: 256, blockBytes: 56 },
  BF16: { id: 30, blockSize: 1, blockBytes: 2 },
  TQ1_0: { id: 34, blockSize: 256, blockBytes: 54 },
  TQ2_0: { id: 35, blockSize: 256, blockBytes: 66 },
  MXFP4: { id: 39, blockSize: 32, blockBytes: 17 },
  NVFP4: { id: 40, blockSize: 64, blockBytes: 36 },
  Q1_0: { id: 41, blockSize: 128, blockBytes: 18 },
  Q2_0: { id: 42, blockSize: 64, blockBytes: 18 },
} as const;

export type GgmlType = keyof typeof GGML_TYPES;

/** A tensor's place in a file. */
export interface GgufTensor {
  name: string;
  /** ggml's order, fastest first */
  shape: number[];
  type: GgmlType;
  /** from the start of the file */
  offset: number;
  bytes: number;
}

/** What a GGUF file holds before its tensor data. */
export interface Gguf {
  path: string;
  version: number;
  /** of the whole file */
  sizeBytes: number;
  alignment: number;
  metadata: Map<string, GgufValue | SkippedArray>;
  tensors: Map<string, GgufTensor>;
}

export function alignUp(offset: number, alignment: number): number {
  return Math.ceil(offset / alignment) * alignment;
}

/** The file's alignment, or in words why it cannot be what the metadata say. */
export function alignmentOf(metadata: Gguf['metadata']): number | string {
  const found = metadata.get('general.alignment');
  if (found === undefined) return DEFAULT_ALIGNMENT;
  const sound =
    found.type === 'u32' && found.value <= LIMITS.alignment && Number.isInteger(Math.log2(found.value));
  return sound ? found.value : `a u32 that is a power of two up to ${LIMITS.alignment}, got ${show(found)}`;
}

/** A chat template would fill an error message. */
const SHOWN_CHARACTERS = 60;

function show(value: GgufValue | SkippedArray): string {
  if (!('value' in value)) return 'an array';
  const text = String(value.value);
  return `${value.type} ${text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text}`;
}

export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** Bytes of a tensor, or in words why there can be no such tensor. */
export function tensorBytes(type: GgmlType, shape: readonly number[]): number | string {
  const { blockSize, blockBytes } = GGML_TYPES[type];
  if (shape.length > LIMITS.dimensions) return `at most ${LIMITS.dimensions} dimensions, got ${shape.length}`;
  if (!shape.every((size) => Number.isSafeInteger(size) && size >= 0))
    return `whole sizes of 0 or more below 2^53, got [${shape.join(', ')}]`;
  const row = shape[0] ?? 1;
  if (row % blockSize !== 0) return `rows of ${type} in multiples of ${blockSize} elements, got ${row}`;
  const bytes = (elementCount(shape) / blockSize) * blockBytes;
  return Number.isSafeInteger(bytes) ? bytes : `fewer than 2^53 bytes, got the shape [${shape.join(', ')}]`;
}

/** A key's text, or undefined when the file has no such key. */
export function ggufString(gguf: Gguf, key: string): string | undefined {
  const found = gguf.metadata.get(key);
  if (found === undefined) return undefined;
  if (found.type === 'string') return found.value;
  throw new PersonaError('BAD_FILE', `${gguf.path}: ${key}: expected a string, got ${show(found)}`);
}

/** A key's number, of any numeric type, or undefined when the file has no such key. */
export function ggufNumber(gguf: Gguf, key: string): number | undefined {
  const found = gguf.metadata.get(key);
  if (found === undefined) return undefined;
  if ('value' in found && (typeof found.value === 'number' || typeof found.value === 'bigint')) {
    const value = Number(found.value);
    if (typeof found.value === 'number' || Number.isSafeInteger(value)) return value;
  }
  throw new PersonaError(
    'BAD_FILE',
    `${gguf.path}: ${key}: expected a number below 2^53, got ${show(found)}`,
  );
}
