/** What a `.pt` file of PyTorch may hold here: tensors of floating-point numbers, in dictionaries and lists of plain data. */

import { PersonaError } from '../../errors.ts';
import { FLOAT_BYTES, toFloats, type FloatFormat } from '../../files/float-formats.ts';

export type TorchKey = string | number | boolean | null;
export type TorchValue = TorchKey | TorchTensor | TorchDict | TorchValue[];
export type TorchDict = Map<TorchKey, TorchValue>;

/** A view of a storage, as PyTorch has it; `tensorFloats` makes numbers of it. */
export class TorchTensor {
  readonly shape: readonly number[];
  /** elements from one place to the next, per dimension */
  readonly stride: readonly number[];
  /** element of the storage where the tensor begins */
  readonly offset: number;
  readonly format: FloatFormat;
  readonly storage: Uint8Array;

  constructor(
    shape: readonly number[],
    stride: readonly number[],
    offset: number,
    format: FloatFormat,
    storage: Uint8Array,
  ) {
    this.shape = shape;
    this.stride = stride;
    this.offset = offset;
    this.format = format;
    this.storage = storage;
  }
}

/** A tensor in its usual layout, of float32. */
export function torchTensor(shape: readonly number[], data: Float32Array): TorchTensor {
  const stride = shape.map((_, i) => shape.slice(i + 1).reduce((product, size) => product * size, 1));
  return new TorchTensor(
    shape,
    stride,
    0,
    'F32',
    new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  );
}

export function countOf(tensor: TorchTensor): number {
  return tensor.shape.reduce((product, size) => product * size, 1);
}

/** The tensor's numbers, row by row. @param field names it in errors @throws PersonaError BAD_VECTOR */
export function tensorFloats(tensor: TorchTensor, path: string, field: string): Float32Array {
  const { shape, stride, offset, format, storage } = tensor;
  const out = new Float32Array(countOf(tensor));
  if (out.length === 0) return out;
  const size = FLOAT_BYTES[format];
  // only the part of the storage that the tensor reaches: many tensors may share one
  const part = toFloats(storage.subarray(offset * size, (lastElement(tensor) + 1) * size), format);
  const index = shape.map(() => 0);
  let at = 0;
  for (let i = 0; i < out.length; i++) {
    const value = part[at]!;
    if (!Number.isFinite(value))
      throw new PersonaError('BAD_VECTOR', `${path}: ${field} holds a value that is not finite, at ${i}`);
    out[i] = value;
    for (let k = shape.length - 1; k >= 0; k--) {
      at += stride[k]!;
      if (++index[k]! < shape[k]!) break;
      at -= shape[k]! * stride[k]!;
      index[k] = 0;
    }
  }
  return out;
}

/** Whether every element lies in the storage, and they are no more than it holds: an expanded tensor repeats them. */
export function fitsStorage(tensor: TorchTensor): boolean {
  const elements = tensor.storage.length / FLOAT_BYTES[tensor.format];
  const count = countOf(tensor);
  return count === 0 || (count <= elements && lastElement(tensor) < elements);
}

function lastElement({ shape, stride, offset }: TorchTensor): number {
  return shape.reduce((sum, size, k) => sum + (size - 1) * stride[k]!, offset);
}
