/** Edits of the residual stream, made ready for one request and applied to one row at a time. Pure arithmetic. */

import { BODY, SCOPE_PARTS } from './part.ts';
import type { Edit } from './request.ts';

export interface CompiledEdit {
  layer: number;
  op: Edit['op'];
  /** parts of the text it acts on */
  parts: number;
  /** add: c·v · ablate, cap: v̂ */
  vector: Float32Array; // (d)
  above: number;
  below: number;
  when: { unit: Float32Array; above: number; below: number } | undefined;
  /** at how many positions it changed the stream */
  applied: number;
}

/** Compiled for one request: directions scaled once, not at every token. */
export function compileEdits(edits: readonly Edit[]): CompiledEdit[] {
  return edits.map((edit) => ({
    layer: edit.layer,
    op: edit.op,
    parts: SCOPE_PARTS[edit.scope ?? 'response'],
    vector: edit.op === 'add' ? edit.direction.map((x) => x * edit.coefficient) : unitVector(edit.direction),
    above: edit.op === 'cap' ? (edit.above ?? Infinity) : Infinity,
    below: edit.op === 'cap' ? (edit.below ?? -Infinity) : -Infinity,
    when: edit.when && {
      unit: unitVector(edit.when.direction),
      above: edit.when.above ?? -Infinity,
      below: edit.when.below ?? Infinity,
    },
    applied: 0,
  }));
}

/** v̂ of a direction that is not zero */
export function unitVector(direction: Float32Array): Float32Array {
  let sum = 0;
  for (const x of direction) sum += x * x;
  const norm = Math.sqrt(sum);
  return direction.map((x) => x / norm);
}

/** Whether it changes prompt tokens before the last one: such edits belong to the key of a shared prefix. */
export function touchesPrompt(edit: CompiledEdit): boolean {
  return (edit.parts & BODY) !== 0;
}

/**
 * Applies the edits of one layer, in their order, to a token of this part. Conditions look at the row as it came.
 * @param rows (n × d), row `index` is changed in place
 * @returns whether anything changed
 */
export function applyEdits(
  edits: readonly CompiledEdit[],
  rows: Float32Array,
  index: number,
  d: number,
  part: number,
): boolean {
  const offset = index * d;
  const acting = edits.filter((edit) => (edit.parts & part) !== 0 && holds(edit.when, rows, offset, d));
  let changed = false;
  for (const edit of acting) {
    if (!applyOne(edit, rows, offset, d)) continue;
    edit.applied++;
    changed = true;
  }
  return changed;
}

function holds(when: CompiledEdit['when'], rows: Float32Array, offset: number, d: number): boolean {
  if (!when) return true;
  const projection = dotAt(rows, offset, when.unit, d);
  return projection > when.above && projection < when.below;
}

function applyOne(edit: CompiledEdit, rows: Float32Array, offset: number, d: number): boolean {
  const { vector } = edit;
  let amount = 1;
  if (edit.op === 'ablate') amount = -dotAt(rows, offset, vector, d);
  if (edit.op === 'cap') {
    const projection = dotAt(rows, offset, vector, d);
    if (projection > edit.above) amount = edit.above - projection;
    else if (projection < edit.below) amount = edit.below - projection;
    else return false;
  }
  for (let i = 0; i < d; i++) rows[offset + i] = rows[offset + i]! + amount * vector[i]!;
  return true;
}

/** ⟨rows[offset …], unit⟩ */
export function dotAt(rows: Float32Array, offset: number, unit: Float32Array, d: number): number {
  let sum = 0;
  for (let i = 0; i < d; i++) sum += rows[offset + i]! * unit[i]!;
  return sum;
}
