/** GGUF: exact bytes, round trips, and what broken files do. No model is needed. */
import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isPersonaError, PersonaError, type ErrorCode } from '../../src/errors.ts';
import { readGguf, readTensor } from '../../src/model/gguf-read.ts';
import { writeGguf, type TensorToWrite } from '../../src/model/gguf-write.ts';
import {
  GGML_TYPES,
  ggufNumber,
  ggufString,
  LIMITS,
  NUMBER_ARRAYS,
  tensorBytes,
  type GgmlType,
  type GgufNumberType,
  type GgufValue,
} from '../../src/model/gguf.ts';

let folder: string;
let path: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gguf-'));
  path = join(folder, 'file.gguf');
});
afterAll(() => rm(folder, { recursive: true }));

async function failure(promise: Promise<unknown>, code: ErrorCode = 'BAD_FILE'): Promise<string> {
  const error = await promise.then(
    () => undefined,
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(PersonaError);
  expect((error as PersonaError).code).toBe(code);
  expect((error as PersonaError).message).toContain(path);
  return (error as PersonaError).message;
}

/** One key and one tensor, byte for byte. */
const minimal = Buffer.concat([
  Buffer.from('GGUF'),
  Buffer.from([3, 0, 0, 0]), // version                                     at 4
  Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]), // tensors                         at 8
  Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]), // keys                            at 16
  Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]), // length of the key               at 24
  Buffer.from('k'), //                                                      at 32
  Buffer.from([4, 0, 0, 0]), // u32                                         at 33
  Buffer.from([7, 0, 0, 0]), //                                             at 37
  Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]), // length of the tensor's name     at 41
  Buffer.from('t'), //                                                      at 49
  Buffer.from([1, 0, 0, 0]), // dimensions                                  at 50
  Buffer.from([2, 0, 0, 0, 0, 0, 0, 0]), // shape[0]                        at 54
  Buffer.from([0, 0, 0, 0]), // F32                                         at 62
  Buffer.from([0, 0, 0, 0, 0, 0, 0, 0]), // offset                          at 66
  Buffer.alloc(22), // up to a multiple of 32                               at 74
  Buffer.from([0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0]), // 1, −2                  at 96
  Buffer.alloc(24),
]);

function patched(offset: number, bytes: readonly number[] | string): Buffer {
  const copy = Buffer.from(minimal);
  copy.set(Buffer.from(bytes as string), offset);
  return copy;
}

async function readFailure(bytes: Buffer): Promise<string> {
  await writeFile(path, bytes);
  return failure(readGguf(path));
}

describe('a minimal file', () => {
  test('has exactly these bytes', async () => {
    await writeGguf({
      path,
      metadata: [['k', { type: 'u32', value: 7 }]],
      tensors: [{ name: 't', shape: [2], type: 'F32', data: new Float32Array([1, -2]) }],
    });
    expect(await readFile(path)).toEqual(minimal);
  });

  test.each([2, 3])('is read in version %i', async (version) => {
    await writeFile(path, patched(4, [version]));
    const gguf = await readGguf(path);
    expect(gguf).toEqual({
      path,
      version,
      sizeBytes: 128,
      alignment: 32,
      metadata: new Map([['k', { type: 'u32', value: 7 }]]),
      tensors: new Map([['t', { name: 't', shape: [2], type: 'F32', offset: 96, bytes: 8 }]]),
    });
    expect(await readTensor(gguf, 't')).toEqual(new Float32Array([1, -2]));
  });

  test('may lack the padding after its last tensor, but no byte of the tensor', async () => {
    await writeFile(path, minimal.subarray(0, 104));
    expect((await readGguf(path)).tensors.size).toBe(1);
    expect(await readFailure(minimal.subarray(0, 103))).toContain('tensor t at byte 96: needs 8 bytes');
  });

  test('without keys and tensors is read', async () => {
    await writeGguf({ path, metadata: [] });
    const gguf = await readGguf(path);
    expect([gguf.metadata.size, gguf.tensors.size]).toEqual([0, 0]);
  });
});

describe('broken files say where', () => {
  test.each([
    ['magic', 0, 'GGML', 'magic at byte 0: expected GGUF, got "GGML"'],
    ['version 1', 4, [1], 'version at byte 4: expected 2 or 3, got 1'],
    ['big endian', 4, [0, 0, 0, 3], 'version at byte 4: the file is big endian'],
    ['many tensors', 12, [1], 'number of tensors at byte 8: expected at most 131072, got 4294967297'],
    ['many keys', 23, [0x80], 'number of metadata keys at byte 16: expected at most 65536'],
    ['long key', 26, [1], 'length of metadata key 0 at byte 24: expected at most 65535, got 65537'],
    [
      'key beyond the end',
      25,
      [1],
      'metadata key 0 at byte 32: needs 257 bytes, but the file ends at byte 128',
    ],
    ['key not UTF-8', 32, [0xff], 'metadata key 0 at byte 32: expected UTF-8'],
    ['value type', 33, [13], 'type of k at byte 33: expected 0 to 12, got 13'],
    ['bool', 33, [7], 'k at byte 37: expected 0 or 1, got 7'],
    ['long name', 41, [64], 'length of name of tensor 0 at byte 41: expected at most 63, got 64'],
    ['dimensions', 50, [5], 'tensor t dimensions at byte 50: expected at most 4, got 5'],
    ['huge size', 61, [1], 'tensor t shape[0] at byte 54: expected at most 9007199254740991'],
    ['size past 2^53 bytes', 60, [0x10], 'tensor t shape at byte 54: expected fewer than 2^53 bytes'],
    ['tensor type', 62, [99], 'tensor t type at byte 62: expected a known ggml type, got 99'],
    ['half a block', 62, [2], 'tensor t shape at byte 54: expected rows of Q4_0 in multiples of 32'],
    ['unaligned', 66, [8], 'tensor t offset at byte 66: expected a multiple of 32, got 8'],
    ['tensor beyond the end', 66, [32], 'tensor t at byte 128: needs 8 bytes, but the file ends at byte 128'],
  ] as const)('%s', async (_, offset, bytes, message) => {
    expect(await readFailure(patched(offset, bytes))).toContain(message);
  });

  test('an empty key', async () => {
    const bytes = Buffer.concat([minimal.subarray(0, 24), Buffer.alloc(104)]);
    expect(await readFailure(bytes)).toContain('metadata key 0 at byte 24: expected a name, got none');
  });

  test('an empty file, a folder, no file', async () => {
    expect(await readFailure(Buffer.alloc(0))).toContain('magic at byte 0: needs 4 bytes');
    await rm(path);
    await failure(readGguf(path), 'NOT_FOUND');
    await expect(readGguf(folder)).rejects.toThrow(`${folder}: expected a file`);
  });

  test.each([0, 3, 48, 2 ** 22])('an alignment of %i', async (alignment) => {
    await writeGguf({ path, metadata: [['general.alignment', { type: 'u32', value: 64 }]] });
    const bytes = await readFile(path);
    bytes.writeUInt32LE(alignment, bytes.indexOf('general.alignment') + 'general.alignment'.length + 4);
    expect(await readFailure(bytes)).toContain(`power of two up to 2097152, got u32 ${alignment}`);
  });

  test('an alignment that is no u32', async () => {
    const metadata: [string, GgufValue][] = [['general.alignment', { type: 'u64', value: 64n }]];
    await failure(writeGguf({ path, metadata }), 'USAGE');
  });

  test('the same key twice, the same tensor twice, tensors on each other, arrays of arrays', async () => {
    const two = (name: string): TensorToWrite => ({
      name,
      shape: [8],
      type: 'F32',
      data: new Float32Array(8),
    });
    const value: GgufValue = { type: 'array', of: 'u8', items: new Uint8Array(1) };
    await writeGguf({
      path,
      metadata: [
        ['key1', value],
        ['key2', value],
      ],
      tensors: [two('one'), two('two')],
    });
    const bytes = await readFile(path);
    const swap = (from: string, to: string | readonly number[], plus = 0): Promise<string> => {
      const copy = Buffer.from(bytes);
      copy.set(Buffer.from(to as string), copy.indexOf(from) + plus);
      return readFailure(copy);
    };
    expect(await swap('key2', 'key1')).toContain('metadata key key1 at byte 53: is there twice');
    expect(await swap('two', 'one')).toContain('tensor one at byte 117: is there twice');
    expect(await swap('two', [0], 3 + 4 + 8 + 4)).toContain('tensor two at byte 160: lies on tensor one');
    expect(await swap('key1', [9], 8)).toContain('element type of key1 at byte 40: arrays of arrays');
    expect(await swap('key1', [1, 0, 0, 1], 12)).toContain(
      'length of key1 at byte 44: expected at most 8388608',
    );
  });

  test('a file that shrinks after it was opened', async () => {
    await writeFile(path, minimal);
    const gguf = await readGguf(path);
    await truncate(path, 100);
    expect(await failure(readTensor(gguf, 't'))).toContain(
      'tensor t at byte 100: the file ended 4 bytes early',
    );
  });
});

const text = fc.string({ unit: 'binary', maxLength: 20 });
const scalars = fc.oneof(
  fc.record({ type: fc.constant('u8'), value: fc.integer({ min: 0, max: 255 }) }),
  fc.record({ type: fc.constant('i8'), value: fc.integer({ min: -128, max: 127 }) }),
  fc.record({ type: fc.constant('u16'), value: fc.integer({ min: 0, max: 65535 }) }),
  fc.record({ type: fc.constant('i16'), value: fc.integer({ min: -32768, max: 32767 }) }),
  fc.record({ type: fc.constant('u32'), value: fc.integer({ min: 0, max: 2 ** 32 - 1 }) }),
  fc.record({ type: fc.constant('i32'), value: fc.integer() }),
  fc.record({ type: fc.constant('f32'), value: fc.float() }),
  fc.record({ type: fc.constant('f64'), value: fc.double() }),
  fc.record({ type: fc.constant('u64'), value: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }) }),
  fc.record({ type: fc.constant('i64'), value: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }) }),
  fc.record({ type: fc.constant('bool'), value: fc.boolean() }),
  fc.record({ type: fc.constant('string'), value: text }),
) as fc.Arbitrary<GgufValue>;
const numberArrays = fc
  .tuple(
    fc.constantFrom(...(Object.keys(NUMBER_ARRAYS) as GgufNumberType[])),
    fc.array(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), { maxLength: 5 }),
  )
  // Any 8 bytes are some values of every type.
  .map(([of, words]) => ({
    type: 'array',
    of,
    items: new NUMBER_ARRAYS[of](new BigUint64Array(words).buffer),
  }));
const arrays = fc.oneof(
  numberArrays,
  fc.record({ type: fc.constant('array'), of: fc.constant('bool'), items: fc.array(fc.boolean()) }),
  fc.record({ type: fc.constant('array'), of: fc.constant('string'), items: fc.array(text) }),
) as fc.Arbitrary<GgufValue>;

const shapes = fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 3 });
const anyTensor = fc
  .tuple(fc.constantFrom(...(Object.keys(GGML_TYPES) as GgmlType[])), fc.integer({ min: 0, max: 3 }), shapes)
  .chain(([type, blocks, rest]) => {
    const shape = [blocks * GGML_TYPES[type].blockSize, ...rest];
    const bytes = tensorBytes(type, shape) as number;
    const data = fc.uint8Array({ minLength: bytes, maxLength: bytes });
    return fc.record({ shape: fc.constant(shape), type: fc.constant(type), data });
  });

describe('round trips', () => {
  test('metadata and tensors of every type come back as they were', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(text.filter(Boolean), fc.oneof(scalars, arrays), { maxKeys: 8 }),
        fc.array(anyTensor, { maxLength: 4 }),
        fc.constantFrom(undefined, 1, 8, 64, 4096),
        async (values, bodies, alignment) => {
          const metadata = new Map(Object.entries(values));
          if (alignment !== undefined) metadata.set('general.alignment', { type: 'u32', value: alignment });
          const named = bodies.map((body, i): TensorToWrite => ({ name: `tensor.${i}`, ...body }));
          await writeGguf({ path, metadata, tensors: named });
          const gguf = await readGguf(path);
          expect([...gguf.metadata]).toEqual([...metadata]);
          const file = await readFile(path);
          expect(file.length % (alignment ?? 32)).toBe(0);
          expect([...gguf.tensors.values()].map((t) => [t.name, t.type, t.shape])).toEqual(
            named.map((t) => [t.name, t.type, t.shape]),
          );
          for (const [i, t] of [...gguf.tensors.values()].entries()) {
            expect(t.offset % (alignment ?? 32)).toBe(0);
            expect(new Uint8Array(file.subarray(t.offset, t.offset + t.bytes))).toEqual(bodies[i]!.data);
          }
        },
      ),
      { numRuns: 150 },
    );
  });

  test('numbers of F32, F16 and BF16 tensors are read as f32', async () => {
    const halves = new Float16Array([1.5, -0.25, 65504, -0, Infinity, 6e-8]);
    const tensors: TensorToWrite[] = [
      { name: 'f32', shape: [3, 2], type: 'F32', data: new Float32Array([1, 2, 3, 4, 5, 1e-40]) },
      { name: 'f16', shape: [6], type: 'F16', data: () => halves },
      { name: 'bf16', shape: [2], type: 'BF16', data: async () => new Uint8Array([0x80, 0x3f, 0x20, 0xc1]) },
      { name: 'none', shape: [0, 4], type: 'F16', data: new Uint8Array(0) },
      { name: 'scalar', shape: [], type: 'F32', data: new Float32Array([42]) },
      { name: 'i32', shape: [2], type: 'I32', data: new Int32Array([-1, 2]) },
    ];
    await writeGguf({ path, metadata: [], tensors });
    const gguf = await readGguf(path);
    expect(await readTensor(gguf, 'f32')).toEqual(new Float32Array([1, 2, 3, 4, 5, 1e-40]));
    expect(await readTensor(gguf, 'f16')).toEqual(new Float32Array(halves));
    expect(await readTensor(gguf, 'bf16')).toEqual(new Float32Array([1, -10]));
    expect(await readTensor(gguf, 'none')).toEqual(new Float32Array(0));
    expect(await readTensor(gguf, 'scalar')).toEqual(new Float32Array([42]));
    expect(await failure(readTensor(gguf, 'i32'), 'UNSUPPORTED')).toContain('tensor i32: expected F32, F16');
    expect(await failure(readTensor(gguf, 'x'), 'NOT_FOUND')).toContain('there is no tensor x');
  });

  test('a half-precision tensor longer than one piece, and strings and arrays longer than the window', async () => {
    const halves = new Float16Array(700_001).map((_, i) => (i % 2048) - 1000);
    const long = 'é'.repeat(200_000);
    const words = Array.from({ length: 40_000 }, (_, i) => `word ${i}`);
    const metadata: [string, GgufValue][] = [
      ['long', { type: 'string', value: long }],
      ['words', { type: 'array', of: 'string', items: words }],
      ['longs', { type: 'array', of: 'string', items: [long, '', long] }],
      ['numbers', { type: 'array', of: 'f64', items: new Float64Array(50_000).fill(0.1) }],
      ['last', { type: 'i8', value: -1 }],
    ];
    await writeGguf({
      path,
      metadata,
      tensors: [{ name: 'h', shape: [halves.length], type: 'F16', data: halves }],
    });
    const gguf = await readGguf(path);
    expect([...gguf.metadata]).toEqual(metadata);
    expect(await readTensor(gguf, 'h')).toEqual(new Float32Array(halves));

    const short = await readGguf(path, { skipArraysOver: 3 });
    expect(short.tensors).toEqual(gguf.tensors);
    expect(short.metadata.get('words')).toEqual({ type: 'skipped', of: 'string', length: 40_000 });
    expect(short.metadata.get('numbers')).toEqual({ type: 'skipped', of: 'f64', length: 50_000 });
    expect(short.metadata.get('longs')).toEqual(gguf.metadata.get('longs'));
    expect(short.metadata.get('last')).toEqual({ type: 'i8', value: -1 });
  });

  test('a vocabulary as large as those of real models', async () => {
    const items = Array.from({ length: 2 ** 18 }, (_, i) => `token ${i}`);
    await writeGguf({
      path,
      metadata: [['tokenizer.ggml.tokens', { type: 'array', of: 'string', items }]],
    });
    const read = (await readGguf(path)).metadata.get('tokenizer.ggml.tokens');
    expect(read).toEqual({ type: 'array', of: 'string', items });
  });

  test('keys are asked for by kind', async () => {
    const metadata: [string, GgufValue][] = [
      ['s', { type: 'string', value: 'x' }],
      ['n', { type: 'u64', value: 5n }],
      ['f', { type: 'f32', value: 0.5 }],
      ['huge', { type: 'u64', value: 2n ** 60n }],
    ];
    await writeGguf({ path, metadata });
    const gguf = await readGguf(path);
    expect([ggufString(gguf, 's'), ggufString(gguf, 'none')]).toEqual(['x', undefined]);
    expect([ggufNumber(gguf, 'n'), ggufNumber(gguf, 'f'), ggufNumber(gguf, 'none')]).toEqual([
      5,
      0.5,
      undefined,
    ]);
    expect(() => ggufString(gguf, 'n')).toThrow('n: expected a string, got u64 5');
    expect(() => ggufNumber(gguf, 's')).toThrow('s: expected a number below 2^53, got string x');
    gguf.metadata.set('long', { type: 'string', value: 'x'.repeat(1000) });
    expect(() => ggufNumber(gguf, 'long')).toThrow(`got string ${'x'.repeat(60)}…`);
    expect(() => ggufNumber(gguf, 'huge')).toThrow('got u64 1152921504606846976');
  });
});

describe('the writer refuses', () => {
  const data = new Float32Array(2);
  test.each([
    [
      'a number that does not fit',
      { metadata: [['k', { type: 'u8', value: 256 }]] },
      'k: expected a value of type u8',
    ],
    ['a fraction as an integer', { metadata: [['k', { type: 'i32', value: 1.5 }]] }, 'got 1.5'],
    ['an empty key', { metadata: [['', { type: 'u8', value: 1 }]] }, 'expected a key'],
    ['half a surrogate pair', { metadata: [['k', { type: 'string', value: '\ud800' }]] }, 'half a surrogate'],
    [
      'a long name',
      { tensors: [{ name: 'n'.repeat(64), shape: [2], type: 'F32', data }] },
      'at most 63 bytes',
    ],
    ['five dimensions', { tensors: [{ name: 'n', shape: [2, 1, 1, 1, 1], type: 'F32', data }] }, 'at most 4'],
    [
      'too few data',
      { tensors: [{ name: 'n', shape: [3], type: 'F32', data }] },
      'expected 12 bytes of data, got 8',
    ],
    ['data of another type', { tensors: [{ name: 'n', shape: [4], type: 'F16', data }] }, 'data of F16'],
    ['a shape with a fraction', { tensors: [{ name: 'n', shape: [1.5], type: 'F32', data }] }, 'whole sizes'],
  ] as const)('%s', async (_, input, message) => {
    expect(await failure(writeGguf({ path, metadata: [], ...input }), 'USAGE')).toContain(message);
  });

  test('a folder that does not exist', async () => {
    const absent = join(folder, 'absent', 'file.gguf');
    await expect(writeGguf({ path: absent, metadata: [] })).rejects.toThrow(
      `${absent}: the folder does not exist`,
    );
  });

  test('names that are there twice', async () => {
    const tensor = { name: 'n', shape: [2], type: 'F32', data } as const;
    const value = { type: 'bool', value: true } as const;
    await failure(writeGguf({ path, metadata: [], tensors: [tensor, tensor] }), 'USAGE');
    await failure(
      writeGguf({
        path,
        metadata: [
          ['k', value],
          ['k', value],
        ],
      }),
      'USAGE',
    );
  });

  test('and leaves the old file and no other when it fails on the way', async () => {
    await writeFile(path, minimal);
    const before = await readdir(folder);
    const late = (): never => {
      throw new Error('no data today');
    };
    const tensors: TensorToWrite[] = [
      { name: 'a', shape: [2], type: 'F32', data },
      { name: 'b', shape: [2], type: 'F32', data: late },
    ];
    await expect(writeGguf({ path, metadata: [], tensors })).rejects.toThrow('no data today');
    expect(await readFile(path)).toEqual(minimal);
    expect(await readdir(folder)).toEqual(before);
  });
});

test('broken in 2500 ways, a file is read or refused by name, never worse', async () => {
  await writeGguf({
    path,
    metadata: [
      ['general.architecture', { type: 'string', value: 'llama' }],
      ['general.alignment', { type: 'u32', value: 64 }],
      ['words', { type: 'array', of: 'string', items: ['one', 'two', 'three', ''] }],
      ['floats', { type: 'array', of: 'f32', items: new Float32Array([1, 2, 3]) }],
      ['flags', { type: 'array', of: 'bool', items: [true, false] }],
      ['big', { type: 'u64', value: 2n ** 63n }],
    ],
    tensors: [
      { name: 'blk.0.a', shape: [8, 4], type: 'F32', data: new Float32Array(32) },
      { name: 'blk.0.b', shape: [32], type: 'Q4_1', data: new Uint8Array(20) },
      { name: 'blk.1.c', shape: [4, 2, 2], type: 'F16', data: new Float16Array(16) },
    ],
  });
  const whole = await readFile(path);
  const headerEnd = (await readGguf(path)).tensors.get('blk.0.a')!.offset;
  const interesting = [0, 1, 0x7f, 0x80, 0xff];
  const mutation = fc.record({
    cut: fc.option(fc.nat(whole.length), { freq: 4 }),
    bytes: fc.array(fc.tuple(fc.nat(headerEnd), fc.oneof(fc.constantFrom(...interesting), fc.nat(255))), {
      maxLength: 4,
    }),
    // A whole 64-bit field at once, as lengths and counts are.
    field: fc.option(fc.tuple(fc.nat(headerEnd - 8), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }))),
  });
  let refused = 0;
  await fc.assert(
    fc.asyncProperty(
      mutation,
      fc.constantFrom(Infinity, 1),
      async ({ cut, bytes, field }, skipArraysOver) => {
        const file = Buffer.from(whole);
        for (const [at, byte] of bytes) file[at] = byte;
        if (field !== null) file.writeBigUInt64LE(field[1], field[0]);
        writeFileSync(path, file.subarray(0, cut ?? file.length));
        try {
          const gguf = await readGguf(path, { skipArraysOver });
          for (const { name, type } of gguf.tensors.values())
            if (type === 'F32' || type === 'F16') await readTensor(gguf, name);
        } catch (error) {
          refused++;
          if (!isPersonaError(error) || error.code !== 'BAD_FILE' || !error.message.startsWith(`${path}: `))
            throw error;
        }
      },
    ),
    { numRuns: 2500 },
  );
  expect(refused).toBeGreaterThan(500);
}, 60_000);

test('the limits leave room for real files', () => {
  expect(LIMITS.array).toBeGreaterThan(262_144);
  expect(LIMITS.header).toBeGreaterThan(LIMITS.string);
});
