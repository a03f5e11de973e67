/**
 * Reads Python's pickle format as far as PyTorch writes tensors with it, and executes nothing: a global is only a name
 * here, and the few that are known are done by hand. Whatever else stands in the file is refused with its place.
 */

import { isUtf8 } from 'node:buffer';
import type { FloatFormat } from '../../files/float-formats.ts';
import {
  fail,
  Global,
  type Item,
  type Machine,
  MARK,
  pop,
  popMany,
  popToMark,
  push,
  Storage,
  take,
  takeLine,
  top,
} from './machine.ts';
import { fitsStorage, TorchTensor, type TorchValue } from './value.ts';

/** A tensor takes some 150 bytes: room for more than ten thousand. */
const MAX_PICKLE_BYTES = 4 * 2 ** 20;
const PROTOCOL = 2;
const MAX_DIMENSIONS = 8;
/** Bytes of a whole number: 64 bits. */
const MAX_LONG_BYTES = 8;

const STORAGES: Readonly<Record<string, FloatFormat>> = {
  'torch.FloatStorage': 'F32',
  'torch.HalfStorage': 'F16',
  'torch.BFloat16Storage': 'BF16',
  'torch.DoubleStorage': 'F64',
};
const REBUILD_TENSOR = 'torch._utils._rebuild_tensor_v2';
const ORDERED_DICT = 'collections.OrderedDict';

/** @throws PersonaError BAD_FILE naming place, byte and what was found there */
export function unpickle(
  bytes: Uint8Array,
  { place, storage }: Pick<Machine, 'place' | 'storage'>,
): TorchValue {
  const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const machine: Machine = { data, at: 0, operationAt: 0, place, stack: [], memo: new Map(), storage };
  if (data.length > MAX_PICKLE_BYTES)
    throw fail(machine, `the pickle has ${data.length} bytes, more than ${MAX_PICKLE_BYTES}`);
  for (;;) {
    machine.operationAt = machine.at;
    const code = take(machine, 1)[0]!;
    if (code === STOP) return pop(machine) as TorchValue;
    const operation = OPERATIONS[code];
    if (!operation)
      throw fail(machine, `operation 0x${code.toString(16).padStart(2, '0')} is not one that tensors need`);
    operation(machine);
  }
}

const STOP = 0x2e;

/** By their byte; the names are those of Python's pickletools. */
const OPERATIONS: Readonly<Record<number, (machine: Machine) => void>> = {
  0x80: protocol, // PROTO
  0x28: (m) => push(m, MARK), // MARK
  0x7d: (m) => push(m, new Map()), // EMPTY_DICT
  0x5d: (m) => push(m, []), // EMPTY_LIST
  0x29: (m) => push(m, []), // EMPTY_TUPLE
  0x85: (m) => push(m, popMany(m, 1)), // TUPLE1
  0x86: (m) => push(m, popMany(m, 2)), // TUPLE2
  0x87: (m) => push(m, popMany(m, 3)), // TUPLE3
  0x74: (m) => push(m, popToMark(m)), // TUPLE
  0x4e: (m) => push(m, null), // NONE
  0x88: (m) => push(m, true), // NEWTRUE
  0x89: (m) => push(m, false), // NEWFALSE
  0x4a: (m) => push(m, take(m, 4).readInt32LE()), // BININT
  0x4b: (m) => push(m, take(m, 1)[0]!), // BININT1
  0x4d: (m) => push(m, take(m, 2).readUInt16LE()), // BININT2
  0x8a: (m) => push(m, long(m)), // LONG1
  0x47: (m) => push(m, take(m, 8).readDoubleBE()), // BINFLOAT
  0x58: (m) => push(m, text(m)), // BINUNICODE
  0x71: (m) => keep(m, take(m, 1)[0]!), // BINPUT
  0x72: (m) => keep(m, take(m, 4).readUInt32LE()), // LONG_BINPUT
  0x68: (m) => recall(m, take(m, 1)[0]!), // BINGET
  0x6a: (m) => recall(m, take(m, 4).readUInt32LE()), // LONG_BINGET
  0x61: (m) => append(m, popMany(m, 1)), // APPEND
  0x65: (m) => append(m, popToMark(m)), // APPENDS
  0x73: (m) => setItems(m, popMany(m, 2)), // SETITEM
  0x75: (m) => setItems(m, popToMark(m)), // SETITEMS
  0x63: global, // GLOBAL
  0x51: persistentId, // BINPERSID
  0x52: reduce, // REDUCE
};

function protocol(machine: Machine): void {
  const found = take(machine, 1)[0];
  if (found !== PROTOCOL)
    throw fail(
      machine,
      `pickle protocol ${found}, expected ${PROTOCOL}`,
      'Save it with torch.save as it is.',
    );
}

function long(machine: Machine): number {
  const bytes = take(machine, take(machine, 1)[0]!);
  if (bytes.length > MAX_LONG_BYTES) throw fail(machine, `a whole number of ${bytes.length} bytes`);
  const value = bytes.length === 0 ? 0 : Number(BigInt.asIntN(bytes.length * 8, littleEndian(bytes)));
  if (!Number.isSafeInteger(value)) throw fail(machine, 'a whole number beyond 2^53');
  return value;
}

function littleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}

function text(machine: Machine): string {
  const bytes = take(machine, take(machine, 4).readUInt32LE());
  if (!isUtf8(bytes)) throw fail(machine, 'text that is not UTF-8');
  return bytes.toString('utf8');
}

function keep(machine: Machine, index: number): void {
  const item = top(machine);
  if (item === undefined || item === MARK) throw fail(machine, 'nothing is on the stack');
  machine.memo.set(index, item);
}

function recall(machine: Machine, index: number): void {
  const item = machine.memo.get(index);
  if (item === undefined) throw fail(machine, `nothing was kept under ${index}`);
  push(machine, item);
}

function append(machine: Machine, items: readonly Item[]): void {
  const list = top(machine);
  if (!Array.isArray(list)) throw fail(machine, 'items for what is not a list');
  for (const item of items) list.push(item);
}

function setItems(machine: Machine, items: readonly Item[]): void {
  const dict = top(machine);
  if (!(dict instanceof Map) || items.length % 2 !== 0)
    throw fail(machine, 'keys and values for what is not a dictionary');
  for (let i = 0; i < items.length; i += 2) {
    const key = items[i]!;
    if ((typeof key === 'object' && key !== null) || key === MARK)
      throw fail(machine, 'a key that is neither text nor a number');
    dict.set(key, items[i + 1]!);
  }
}

/** Characters of a name shown in an error. */
const SHOWN = 120;

function global(machine: Machine): void {
  const name = `${takeLine(machine)}.${takeLine(machine)}`;
  if (!Object.hasOwn(STORAGES, name) && name !== REBUILD_TENSOR && name !== ORDERED_DICT)
    throw fail(
      machine,
      `global ${JSON.stringify(name.slice(0, SHOWN))} is not one that tensors of floats need; nothing was executed`,
      'If the file is yours, save only tensors in it: torch.save(vector.detach().float(), path).',
    );
  push(machine, new Global(name));
}

function persistentId(machine: Machine): void {
  const id = pop(machine);
  const [kind, type, key, , elements] = Array.isArray(id) ? id : [];
  const format = type instanceof Global ? STORAGES[type.name] : undefined;
  if (kind !== 'storage' || format === undefined || typeof key !== 'string')
    throw fail(machine, 'an outside reference that is no storage of floats');
  const size = whole(machine, elements, `size of storage ${key}`);
  push(machine, new Storage(format, machine.storage(key, format, size)));
}

function reduce(machine: Machine): void {
  const [called, args] = popMany(machine, 2);
  if (!(called instanceof Global) || !Array.isArray(args)) throw fail(machine, 'a call of what is no global');
  if (called.name === REBUILD_TENSOR) push(machine, tensor(machine, args));
  else if (called.name === ORDERED_DICT && args.length === 0) push(machine, new Map());
  else throw fail(machine, `a call of ${called.name} with ${args.length} arguments`);
}

function tensor(machine: Machine, [source, offset, shape, stride]: readonly Item[]): TorchTensor {
  if (!(source instanceof Storage)) throw fail(machine, 'a tensor without a storage');
  const made = new TorchTensor(
    wholes(machine, shape, 'shape of a tensor'),
    wholes(machine, stride, 'strides of a tensor'),
    whole(machine, offset, 'offset of a tensor'),
    source.format,
    source.bytes,
  );
  if (made.shape.length !== made.stride.length || !fitsStorage(made))
    throw fail(machine, `a tensor [${made.shape.join(', ')}] that does not fit into its storage`);
  return made;
}

function wholes(machine: Machine, item: Item | undefined, what: string): number[] {
  if (!Array.isArray(item) || item.length > MAX_DIMENSIONS)
    throw fail(machine, `${what}: expected at most ${MAX_DIMENSIONS} numbers`);
  return item.map((size) => whole(machine, size, what));
}

function whole(machine: Machine, item: Item | undefined, what: string): number {
  if (typeof item === 'number' && Number.isSafeInteger(item) && item >= 0) return item;
  throw fail(machine, `${what}: expected a whole number of 0 or more`);
}
