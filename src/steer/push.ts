/** How much of what is read at a layer is the steering itself, not what the model makes of it. */

import type { Edit } from '../engine/request.ts';
import { dot, norm } from '../math/vector.ts';

/**
 * The part of an answer token's projection onto v that additions at the same layer put there: Σ c·⟨u, v⟩/‖v‖.
 * @param v the direction that is read, (d)
 */
export function pushOn(layer: number, v: Float32Array, edits: readonly Edit[]): number {
  let sum = 0;
  for (const edit of edits) {
    if (edit.op !== 'add' || edit.layer !== layer) continue;
    if (edit.scope === 'prompt' || edit.scope === 'last_prompt') continue; // no answer token
    sum += (edit.coefficient * dot(edit.direction, v)) / norm(v);
  }
  return sum;
}
