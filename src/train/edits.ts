/**
 * From what a user wants done to the stream while training, to one edit a layer. While training every position is
 * edited (paper §5 and its code): where in a text is no choice, and conditions and caps are not part of the method.
 */

import type { LayerEdit } from '../engine/training/edit.ts';
import { PersonaError } from '../errors.ts';
import { orthonormal } from '../math/span.ts';
import { addScaled } from '../math/vector.ts';
import type { ModelIdentity } from '../model/chat-model.ts';
import { joinSteering, steeringOf, type Steering } from '../steer/resolve.ts';
import { formatSpec, type SteerSpec } from '../steer/spec.ts';
import type { PersonaVector } from '../vector/vector.ts';

export interface TrainingEdits {
  edits: LayerEdit[];
  /** what was resolved, for output; its scopes are `all` */
  applied: Steering['applied'];
  notes: string[];
}

/**
 * @param ablate names of vectors that are removed (CAFT), at every layer unless the spec names some
 * @throws PersonaError USAGE, BAD_VECTOR, WRONG_MODEL, or what finding a vector throws
 */
export async function trainingEdits(
  steer: readonly SteerSpec[],
  ablate: readonly SteerSpec[],
  find: (nameOrPath: string) => Promise<PersonaVector>,
  model: ModelIdentity,
): Promise<TrainingEdits> {
  const parts: Steering[] = [];
  for (const spec of steer) {
    checkSpec(spec);
    parts.push(steeringOf({ ...spec, scope: 'all' }, await find(spec.vector), model));
  }
  for (const { vector: name, layers } of ablate) {
    const vector = await find(name);
    const whole = layers ?? { from: 0, to: vector.model.layers - 1 };
    parts.push(steeringOf({ vector: name, op: 'ablate', scope: 'all', layers: whole }, vector, model));
  }
  const { edits, applied, notes } = joinSteering(parts);
  return { edits: byLayer(edits, model.width), applied, notes };
}

/** response is what a spec says when it says nothing. */
function checkSpec(spec: SteerSpec): void {
  const refuse = (what: string, remedy: string): never => {
    throw new PersonaError('USAGE', `steering ${JSON.stringify(formatSpec(spec))}: ${what}`, { remedy });
  };
  if (spec.scope !== 'response' && spec.scope !== 'all')
    refuse(`in training all positions are steered, not only /${spec.scope}`, 'Leave the scope out.');
  if (spec.op === 'cap')
    refuse('training adds or removes directions; there is no cap', 'Write evil=3, or --ablate evil.');
}

/** Additions of a layer summed, the directions removed there made orthonormal. */
function byLayer(edits: Steering['edits'], width: number): LayerEdit[] {
  const layers = [...new Set(edits.map(({ layer }) => layer))].toSorted((a, b) => a - b);
  return layers.map((layer) => {
    const here = edits.filter((edit) => edit.layer === layer);
    const sum = new Float32Array(width);
    const removed: Float32Array[] = [];
    let added = false;
    for (const edit of here) {
      if (edit.op === 'ablate') removed.push(edit.direction);
      if (edit.op !== 'add') continue;
      addScaled(sum, edit.direction, edit.coefficient);
      added = true;
    }
    const basis = orthonormal(removed);
    const rows = new Float32Array(basis.length * width);
    basis.forEach((row, i) => rows.set(row, i * width));
    return { layer, ...(added && { add: sum }), ...(basis.length > 0 && { ablate: rows }) };
  });
}
