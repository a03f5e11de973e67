/** What a file of another tool holds: directions by block, and what it says of itself. Counting is ours from here on. */

import { PersonaError } from '../../errors.ts';
import type { MeanKind } from '../../engine/request.ts';
import { MAX_LAYERS } from '../schema.ts';
import type { Converted } from '../vector.ts';

export interface Found {
  /** block b → (d) */
  rows: Map<number, Float32Array>;
  width: number;
  /** How the file's counting maps on ours, and what a reader should beware of; for people. */
  notes: string[];
  afterFinalNorm?: number;
  caps?: Converted['caps'];
  trait?: string;
  kind?: MeanKind;
}

/** The number of layers and the width of the model that a file is read for. */
export interface Shape {
  layers: number;
  width: number;
}

/** What a caller may choose where a file holds several things. */
export interface Choice {
  /** name of a tensor, dots between the keys of nested dictionaries */
  tensor?: string | undefined;
  /** id of an experiment in a file of caps */
  experiment?: string | undefined;
}

/** Rows `from`, … of a matrix as the directions of the blocks 0, … */
export function blockRows(matrix: Float32Array, width: number, from = 0): Map<number, Float32Array> {
  const rows = new Map<number, Float32Array>();
  for (let at = from * width; at < matrix.length; at += width)
    rows.set(rows.size, matrix.subarray(at, at + width));
  return rows;
}

/** The reference's matrix [layers + 1, d] (paper §4.4), or one row a block. */
export function matrixRows(
  place: string,
  matrix: Float32Array,
  [height, width]: readonly [number, number],
  layers: number,
): Pick<Found, 'rows' | 'width' | 'notes' | 'afterFinalNorm'> {
  if (height === layers) return { rows: blockRows(matrix, width), width, notes: ['row b is block b'] };
  if (height !== layers + 1)
    throw new PersonaError(
      'WRONG_MODEL',
      `${place} has ${height} rows; a model of ${layers} layers has ${layers}, or ${layers + 1} with the embeddings`,
      { remedy: 'Give the model that it was made on with --model.' },
    );
  return {
    rows: blockRows(matrix, width, 1),
    width,
    afterFinalNorm: layers - 1,
    notes: [
      'row L is block L − 1: row 0 (embeddings) left out',
      `row ${layers} lies after the final norm: block ${layers - 1} is marked, do not steer there`,
    ],
  };
}

const BLOCK_NAME = /^(?:direction[._]|layers?[._])?(0|[1-9]\d*)$/;

/** The block that a tensor's name says: `direction.7`, `layer_7` or `7`. */
export function blockOf(name: string): number | undefined {
  const block = Number(BLOCK_NAME.exec(name)?.[1]);
  return block < MAX_LAYERS ? block : undefined;
}

/** Tensors of one row each, named by their blocks. */
export function namedRows(
  path: string,
  named: Iterable<readonly [name: string, row: Float32Array]>,
): Pick<Found, 'rows' | 'width' | 'notes'> | undefined {
  const rows = new Map<number, Float32Array>();
  let width = 0;
  for (const [name, row] of named) {
    const block = blockOf(name);
    if (block === undefined) return undefined;
    width ||= row.length;
    if (row.length !== width || rows.has(block))
      throw new PersonaError(
        'BAD_VECTOR',
        `${path}: ${name} has width ${row.length}, others have ${width}, or it is there twice`,
      );
    rows.set(block, row);
  }
  return width === 0 ? undefined : { rows, width, notes: ['tensor N is block N'] };
}

/** Several things are in the file, and nobody said which. */
export function whichOne(path: string, what: string, names: readonly string[], option: string): PersonaError {
  const shown = names.slice(0, 20).map((name) => JSON.stringify(name.slice(0, 80)));
  const more = names.length > shown.length ? ` and ${names.length - shown.length} more` : '';
  const there = shown.length > 0 ? `There are ${shown.join(', ')}${more}.` : 'There is none.';
  return new PersonaError('BAD_VECTOR', `${path}: which ${what}?`, {
    remedy: `Choose one with ${option}. ${there}`,
  });
}
