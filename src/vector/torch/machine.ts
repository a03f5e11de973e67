/**
 * The state of reading a pickle: where in the bytes, what is on the stack, what was kept for later. Pickle is a small
 * stack language; all that grows here grows by at most one item a byte of input, which is itself capped.
 */

import { PersonaError } from '../../errors.ts';
import type { FloatFormat } from '../../files/float-formats.ts';
import type { TorchKey, TorchTensor } from './value.ts';

/** A function or type of Python, as a name: nothing is ever called. */
export class Global {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

/** The numbers that tensors are views of. */
export class Storage {
  readonly format: FloatFormat;
  readonly bytes: Uint8Array;
  constructor(format: FloatFormat, bytes: Uint8Array) {
    this.format = format;
    this.bytes = bytes;
  }
}

export const MARK: unique symbol = Symbol('mark');

/** Tuples and lists are one here. */
export type Item = TorchKey | TorchTensor | Global | Storage | typeof MARK | Item[] | Map<TorchKey, Item>;

export interface Machine {
  data: Buffer;
  /** next byte to be taken */
  at: number;
  /** of the operation under way, for errors */
  operationAt: number;
  /** names the pickle in errors */
  place: string;
  stack: Item[];
  memo: Map<number, Item>;
  /** The bytes of a storage. @throws PersonaError where there is none of that size */
  storage(key: string, format: FloatFormat, elements: number): Uint8Array;
}

/** The longest run of items that Python writes at once has 1000. */
const MAX_STACK = 65_536;

export function fail(machine: Machine, problem: string, remedy?: string): PersonaError {
  return new PersonaError('BAD_FILE', `${machine.place} at byte ${machine.operationAt}: ${problem}`, {
    remedy: remedy ?? 'Get the file again, or make it anew.',
  });
}

/** The next bytes, a view. */
export function take(machine: Machine, length: number): Buffer {
  const { data, at } = machine;
  if (length > data.length - at)
    throw fail(machine, `needs ${length} bytes, but the pickle ends at ${data.length}`);
  machine.at += length;
  return data.subarray(at, at + length);
}

export function takeLine(machine: Machine): string {
  const end = machine.data.indexOf('\n', machine.at);
  if (end < 0) throw fail(machine, 'a line without an end');
  const text = machine.data.toString('latin1', machine.at, end);
  machine.at = end + 1;
  return text;
}

export function push(machine: Machine, item: Item): void {
  if (machine.stack.length >= MAX_STACK) throw fail(machine, `more than ${MAX_STACK} items on the stack`);
  machine.stack.push(item);
}

export function top({ stack }: Machine): Item | undefined {
  return stack.at(-1);
}

export function pop(machine: Machine): Item {
  const item = machine.stack.pop();
  if (item === undefined || item === MARK) throw fail(machine, 'nothing is on the stack');
  return item;
}

/** The last items, in the order in which they came. */
export function popMany(machine: Machine, count: number): Item[] {
  return Array.from({ length: count }, () => pop(machine)).reverse();
}

export function popToMark(machine: Machine): Item[] {
  const mark = machine.stack.lastIndexOf(MARK);
  if (mark < 0) throw fail(machine, 'there is no mark on the stack');
  return machine.stack.splice(mark).slice(1);
}
