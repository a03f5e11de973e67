/** Edits of the residual stream, made ready for one request and applied to one row at a time. Pure arithmetic. */

import type { Edit, Scope } from './request.ts';

export interface CompiledEdit {
  layer: number;
  op: Edit['op'];
  scope: Scope;
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
  return edits.map((edit) => {
    const unit = normalised(edit.direction);
    return {
      layer: edit.layer,
      op: edit.op,
      scope: edit.scope ?? 'response',
      vector: edit.op === 'add' ? edit.direction.map((x) => x * edit.coefficient) : unit,
      above: edit.op === 'cap' ? (edit.above ?? Infinity) : Infinity,
      below: edit.op === 'cap' ? (edit.below ?? -Infinity) : -Infinity,
      when: edit.when && {
        unit: normalised(edit.when.direction),
        above: edit.when.above ?? -Infinity,
        below: edit.when.below ?? Infinity,
      },
      applied: 0,
    };
  });
}

function normalised(direction: Float32Array): Float32Array {
  let sum = 0;
  for (const x of direction) sum += x * x;
  const norm = Math.sqrt(sum);
  return norm === 0 ? new Float32Array(direction.length) : direction.map((x) => x / norm);
}

/** Whether a scope covers a position of a text whose prompt has `promptLength` tokens. */
export function inScope(scope: Scope, position: number, promptLength: number): boolean {
  switch (scope) {
    case 'response':
      return position >= promptLength - 1;
    case 'prompt':
      return position < promptLength;
    case 'all':
      return true;
    case 'last_prompt':
      return position === promptLength - 1;
    case 'generated':
      return position >= promptLength;
  }
}

/** Whether the scope changes prompt tokens before the last one: such edits belong to the key of a shared prefix. */
export function touchesPrompt(scope: Scope): boolean {
  return scope === 'prompt' || scope === 'all';
}

/**
 * Applies, in their order, the edits of one layer that cover this position. Conditions look at the row as it came.
 * @param rows (n × d), row `index` is changed in place
 * @returns whether anything changed
 */
export function applyEdits(
  edits: readonly CompiledEdit[],
  layer: number,
  rows: Float32Array,
  index: number,
  d: number,
  position: number,
  promptLength: number,
): boolean {
  const offset = index * d;
  let holds: boolean[] | undefined;
  for (let e = 0; e < edits.length; e++) {
    const { when } = edits[e]!;
    if (!when || edits[e]!.layer !== layer) continue;
    const projection = dotAt(rows, offset, when.unit, d);
    (holds ??= [])[e] = projection > when.above && projection < when.below;
  }
  let changed = false;
  for (let e = 0; e < edits.length; e++) {
    const edit = edits[e]!;
    if (edit.layer !== layer || !inScope(edit.scope, position, promptLength)) continue;
    if (edit.when && !holds?.[e]) continue;
    if (applyOne(edit, rows, offset, d)) {
      edit.applied++;
      changed = true;
    }
  }
  return changed;
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
