/** `.pt` files: those that PyTorch wrote (bench/torch-files.py), our own, and broken or hostile ones. */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isPersonaError } from '../../../src/errors.ts';
import { storedZip } from '../../../src/files/zip-write.ts';
import { readTorch } from '../../../src/vector/torch/read.ts';
import { tensorFloats, torchTensor, TorchTensor, type TorchValue } from '../../../src/vector/torch/value.ts';
import { writeTorch } from '../../../src/vector/torch/write.ts';
import { folder } from '../../support/folder.ts';
import { zip } from '../../model/zip.ts';

const fixture = (name: string): string => new URL(`../fixtures/${name}.pt`, import.meta.url).pathname;

/** The numbers of bench/torch-files.py. */
function planted(rows: number, width: number): number[] {
  return Array.from({ length: rows * width }, (_, k) => (((k * 37) % 251) - 125) / 16);
}

/** Tensors become `{ shape, data }`, dictionaries objects. */
function plain(value: TorchValue): unknown {
  if (value instanceof TorchTensor)
    return { shape: value.shape, data: Array.from(tensorFloats(value, 'file', 'tensor')) };
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, item]) => [key, plain(item)]));
  return Array.isArray(value) ? value.map(plain) : value;
}

async function failure(path: string): Promise<{ message: string; remedy: string | undefined }> {
  const error: unknown = await readTorch(path).catch((e: unknown) => e);
  if (!isPersonaError(error)) throw new Error('expected a PersonaError', { cause: error });
  expect(error.message).toContain(path);
  return error;
}

/** A `.pt` file around any pickle. */
function withPickle(bytes: Buffer, more: Record<string, Buffer> = {}): string {
  const path = join(folder(), 'made.pt');
  const entries = Object.entries({ 'made/data.pkl': bytes, ...more });
  writeFileSync(path, storedZip(entries.map(([name, content]) => ({ name, content }))));
  return path;
}

test.each(['float32', 'float16', 'bfloat16', 'float64'])('PyTorch wrote a tensor of %s', async (name) => {
  expect(plain(await readTorch(fixture(name)))).toEqual({ shape: [5, 8], data: planted(5, 8) });
});

test('PyTorch wrote a part of a transposed tensor', async () => {
  const all = planted(12, 7);
  const data = Array.from({ length: 5 * 8 }, (_, k) => all[(2 + (k % 8)) * 7 + 1 + Math.floor(k / 8)]!);
  expect(plain(await readTorch(fixture('strided')))).toEqual({ shape: [5, 8], data });
});

test('PyTorch wrote dictionaries, lists and numbers', async () => {
  expect(plain(await readTorch(fixture('nested')))).toEqual({
    layers: { a: { shape: [2, 8], data: planted(2, 8) }, b: { shape: [3, 8], data: planted(3, 8) } },
    names: ['x', 'é'],
    n: 2 ** 40,
    p: -0.5,
    none: null,
    yes: true,
    t: [1, 2, 3, 4],
    ordered: { k: 300 },
  });
});

test('what is not read says so, and what to do', async () => {
  expect(await failure(fixture('legacy'))).toMatchObject({
    message: expect.stringContaining('PyTorch before 1.6'),
    remedy: expect.stringContaining('torch.save(torch.load'),
  });
  expect((await failure(fixture('integers'))).message).toMatch(
    /integers\/data\.pkl at byte \d+: global "torch\.LongStorage" is not one/,
  );
});

test('numbers lie at multiples of 64 bytes, as PyTorch has them', async () => {
  const path = join(folder(), 'evil.pt');
  const data = Float32Array.of(1.5, -2, 3.25);
  await writeTorch(path, new Map([['a', torchTensor([3], data)], ['b', torchTensor([3, 1], data)]])); // prettier-ignore
  const bytes = readFileSync(path);
  const numbers = Buffer.from(data.buffer);
  const [first, second] = [bytes.indexOf(numbers), bytes.lastIndexOf(numbers)];
  expect([first % 64, second % 64, first < second]).toEqual([0, 0, true]);
  expect(bytes.toString('latin1')).toContain('evil/data/1');
});

test('what is written is read again', async () => {
  const path = join(folder(), 'x.pt');
  const value = fc.letrec<{ value: TorchValue }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      fc.constantFrom(null, true, false),
      fc.string({ unit: 'grapheme' }),
      fc.double({ noNaN: true }),
      fc.integer(),
      fc
        .array(fc.float({ noNaN: true, noDefaultInfinity: true }), { maxLength: 6 })
        .map((items) => torchTensor([items.length, 1], Float32Array.from(items))),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(fc.string(), tie('value'), { maxKeys: 3 }).map((dict) => new Map(Object.entries(dict))),
    ),
  })).value;
  await fc.assert(
    fc.asyncProperty(value, async (given) => {
      await writeTorch(path, given);
      expect(plain(await readTorch(path))).toEqual(plain(given));
    }),
    { numRuns: 100 },
  );
});

test('a global that runs programs is refused, and nothing runs', async () => {
  const path = withPickle(Buffer.from('\x80\x02cos\nsystem\nX\x05\0\0\0false\x85R.', 'latin1'));
  expect(await failure(path)).toMatchObject({
    message: `${path}: made/data.pkl at byte 2: global "os.system" is not one that tensors of floats need; nothing was executed`,
    remedy: expect.stringContaining('torch.save'),
  });
  for (const name of ['builtins\neval', 'torch._utils\n_rebuild_parameter', '__builtin__\ngetattr'])
    expect((await failure(withPickle(Buffer.from(`\x80\x02c${name}\n.`, 'latin1')))).message).toContain(
      name.replace('\n', '.'),
    );
});

test.each([
  ['another protocol', '\x80\x04N.', 'byte 0: pickle protocol 4'],
  ['an operation that builds objects', '\x80\x02}}b.', 'byte 4: operation 0x62'],
  ['an end before the end', '\x80\x02X\xff\xff\xff\xff', 'byte 2: needs 4294967295 bytes'],
  ['a stack that is empty', '\x80\x02.', 'nothing is on the stack'],
  ['a mark that is missing', '\x80\x02K\x01t.', 'no mark'],
  ['a memo that is empty', '\x80\x02h\x07.', 'kept under 7'],
  ['a list that is none', '\x80\x02K\x01K\x02a.', 'not a list'],
  ['a key that is a list', '\x80\x02}]K\x01s.', 'neither text nor a number'],
  ['a call of a number', '\x80\x02K\x01)R.', 'no global'],
  ['text that is no UTF-8', '\x80\x02X\x01\0\0\0\xff.', 'not UTF-8'],
  ['a whole number of 255 bytes', `\x80\x02\x8a\xff${'x'.repeat(255)}.`, '255 bytes'],
  ['a tensor of nothing', '\x80\x02ctorch._utils\n_rebuild_tensor_v2\n)R.', 'without a storage'],
])('%s', async (_, pickle, message) => {
  expect((await failure(withPickle(Buffer.from(pickle, 'latin1')))).message).toContain(message);
});

/** A tensor over a storage of `held` float32, claimed as said. */
function tensorPickle(held: number, claimed: number, offset: number, shape: number, stride: number): string {
  const int = (value: number): string => {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32LE(value);
    return `J${bytes.toString('latin1')}`;
  };
  const id = `(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpu${int(claimed)}tQ`;
  const args = `(${id}${int(offset)}(${int(shape)}t(${int(stride)}t\x89)t`;
  return withPickle(Buffer.from(`\x80\x02ctorch._utils\n_rebuild_tensor_v2\n${args}R.`, 'latin1'), {
    'made/data/0': Buffer.alloc(held * 4),
  });
}

test('tensors must lie in their storage', async () => {
  expect(plain(await readTorch(tensorPickle(6, 6, 1, 3, 2)))).toEqual({ shape: [3], data: [0, 0, 0] });
  expect((await failure(tensorPickle(6, 6, 2, 3, 2))).message).toContain('[3] that does not fit');
  expect((await failure(tensorPickle(6, 7, 0, 3, 1))).message).toContain('has 24 bytes, expected 28');
  // one number repeated 2^30 times would fill the memory
  expect((await failure(tensorPickle(1, 1, 0, 2 ** 30, 0))).message).toContain('does not fit');
  expect((await failure(tensorPickle(6, 6, -1, 3, 1))).message).toContain('offset of a tensor');
});

test('archives: big endian, packed, cut, changed and foreign ones', async () => {
  const tensor = readFileSync(fixture('float32'));
  const path = join(folder(), 'x.pt');
  const said = async (bytes: Buffer): Promise<string> => {
    writeFileSync(path, bytes);
    return (await failure(path)).message;
  };
  const big = withPickle(Buffer.from('\x80\x02N.', 'latin1'), { 'made/byteorder': Buffer.from('big') });
  expect((await failure(big)).message).toContain('made/byteorder is "big", expected "little"');
  // a megabyte of zeros in a kilobyte: a bomb is a matter of size only
  expect(await said(zip({ 'made/data.pkl': Buffer.alloc(1_000_000) }))).toContain('made/data.pkl is packed');
  expect(await said(tensor.subarray(0, 700))).toContain('zip archive');
  expect(await said(Buffer.from('GGUF'))).toContain('expected a zip archive');
  const changed = Buffer.from(tensor);
  changed[changed.indexOf(Buffer.from(Float32Array.from(planted(1, 8)).buffer))]! ^= 1;
  expect(await said(changed)).toContain('float32/data/0: its checksum');
  expect(await said(storedZip([{ name: 'a/b', content: Buffer.from('x') }]))).toContain(
    'STEM/data.pkl, got 0',
  );
  expect((await failure(join(folder(), 'absent.pt'))).message).toContain('no such file');
});
