/** Writes plain data with tensors as Python's pickle, protocol 2, in the words that `torch.load` takes with weights_only. */

import { countOf, TorchTensor, type TorchValue } from './value.ts';

const EMPTY_ORDERED_DICT = Buffer.from('ccollections\nOrderedDict\n)R', 'latin1');

export interface Pickled {
  pickle: Buffer;
  /** `data/0`, `data/1`, … */
  storages: Uint8Array[];
}

export function pickle(value: TorchValue): Pickled {
  const storages: Uint8Array[] = [];
  const parts = [Buffer.from([0x80, 2]), ...encode(value, storages), Buffer.from('.')];
  return { pickle: Buffer.concat(parts), storages };
}

function encode(value: TorchValue, storages: Uint8Array[]): Buffer[] {
  if (value === null) return [Buffer.from('N')];
  if (typeof value === 'boolean') return [Buffer.from([value ? 0x88 : 0x89])];
  if (typeof value === 'string') return [text(value)];
  if (typeof value === 'number') return [number(value)];
  if (value instanceof TorchTensor) return tensor(value, storages);
  if (value instanceof Map) {
    const entries = [...value].flatMap(([key, item]) => [
      ...encode(key, storages),
      ...encode(item, storages),
    ]);
    return [Buffer.from('}('), ...entries, Buffer.from('u')];
  }
  return [Buffer.from(']('), ...value.flatMap((item) => encode(item, storages)), Buffer.from('e')];
}

/** Only tensors in their usual layout, with a storage of their own. */
function tensor(value: TorchTensor, storages: Uint8Array[]): Buffer[] {
  if (value.format !== 'F32' || value.offset !== 0 || value.storage.length !== 4 * countOf(value))
    throw new RangeError('only whole tensors of float32 are written');
  storages.push(value.storage);
  const numbers = [
    text('storage'),
    Buffer.from('ctorch\nFloatStorage\n', 'latin1'),
    text(String(storages.length - 1)),
    text('cpu'),
    number(countOf(value)),
  ];
  return [
    Buffer.from('ctorch._utils\n_rebuild_tensor_v2\n((', 'latin1'),
    ...numbers,
    Buffer.from('tQ'),
    number(0), // where the tensor begins
    tuple(value.shape),
    tuple(value.stride),
    Buffer.from([0x89]), // needs no gradient
    EMPTY_ORDERED_DICT, // has no hooks
    Buffer.from('tR'),
  ];
}

function tuple(items: readonly number[]): Buffer {
  return Buffer.concat([Buffer.from('('), ...items.map(number), Buffer.from('t')]);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  const head = Buffer.from('X\0\0\0\0', 'latin1');
  head.writeUInt32LE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

/** Whole numbers of 32 bits as such, all others as floats. */
function number(value: number): Buffer {
  if ((value | 0) === value && !Object.is(value, -0)) {
    const bytes = Buffer.from('J\0\0\0\0', 'latin1');
    bytes.writeInt32LE(value, 1);
    return bytes;
  }
  const bytes = Buffer.from('G\0\0\0\0\0\0\0\0', 'latin1');
  bytes.writeDoubleBE(value, 1);
  return bytes;
}
