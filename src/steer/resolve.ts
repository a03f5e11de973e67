/** From what a user asks for, with the vectors it names, to the engine's edits. What cannot be done is an error. */

import type { Edit, Scope } from '../engine/request.ts';
import { PersonaError } from '../errors.ts';
import { norm } from '../math/vector.ts';
import type { ModelIdentity } from '../model/chat-model.ts';
import { checkFit } from '../vector/fit.ts';
import { increments } from '../vector/algebra.ts';
import { afterFinalNorm, direction, type PersonaVector } from '../vector/vector.ts';
import { formatSpec, type Bound, type SteerOp, type SteerSpec } from './spec.ts';

/** What was done, for output: one entry per edit. */
export interface AppliedSteering {
  /** path or name, as the user gave it */
  vector: string;
  /** absent for a control vector of another tool */
  trait?: string;
  op: SteerOp;
  layer: number;
  scope: Scope;
  /** ‖v‖ at this layer */
  norm: number;
  /** add: times the vector */
  coefficient?: number;
  /** add: the push's length |coefficient|·‖v‖ as a share of the layer's mean residual norm, where that is known */
  share?: number;
  /** cap: the projection is at most, at least this */
  above?: number;
  below?: number;
  /** rule of a policy that brought it in while the answer was written */
  rule?: string;
}

export interface Steering {
  edits: Edit[];
  applied: AppliedSteering[];
  /** what people should know: a vector of another quantisation, … */
  notes: string[];
}

export const NO_STEERING: Steering = { edits: [], applied: [], notes: [] };

/**
 * @param find the vector of a spec, by the name that the user gave
 * @throws PersonaError USAGE, BAD_VECTOR, WRONG_MODEL, or what finding the vector throws
 */
export async function resolveSteering(
  specs: readonly SteerSpec[],
  find: (nameOrPath: string) => Promise<PersonaVector>,
  model: ModelIdentity,
): Promise<Steering> {
  const parts: Steering[] = [];
  for (const spec of specs) parts.push(steeringOf(spec, await find(spec.vector), model));
  return joinSteering(parts);
}

export function joinSteering(parts: readonly Steering[]): Steering {
  return {
    edits: parts.flatMap(({ edits }) => edits),
    applied: parts.flatMap(({ applied }) => applied),
    notes: [...new Set(parts.flatMap(({ notes }) => notes))],
  };
}

/** One spec with its vector. */
export function steeringOf(spec: SteerSpec, vector: PersonaVector, model: ModelIdentity): Steering {
  const note = checkFit(vector, model, spec.vector);
  const layers = layersOf(spec, vector);
  const made =
    spec.op === 'inc'
      ? incrementsAt(layers, spec, vector)
      : layers.map((layer) => editAt(layer, spec, vector));
  const notes = note === undefined ? [] : [note];
  const marked = afterFinalNorm(vector);
  if (marked !== undefined && layers.includes(marked))
    notes.push(
      `${spec.vector}: the direction of layer ${marked} was taken after the final norm, where it does not act`,
    );
  return {
    edits: made.map(({ edit }) => edit),
    applied: made.map(({ applied }) => applied),
    notes,
  };
}

function layersOf(spec: SteerSpec, vector: PersonaVector): number[] {
  const { layers } = vector.model;
  const whole = spec.op === 'inc' ? { from: 0, to: layers - 1 } : undefined;
  const chosen =
    spec.layers ??
    whole ??
    (vector.layer === undefined ? undefined : { from: vector.layer, to: vector.layer });
  if (chosen === undefined)
    throw wrong(
      spec,
      `no layer was chosen for ${spec.vector}`,
      `Give one, as in ${spec.vector}@${Math.floor(layers / 2)}, or let persona sweep find it.`,
    );
  if (chosen.to >= layers)
    throw wrong(
      spec,
      `there is no layer ${chosen.to} in a model of ${layers}`,
      `Layers are 0 to ${layers - 1}.`,
    );
  return Array.from({ length: chosen.to - chosen.from + 1 }, (_, i) => chosen.from + i);
}

interface Made {
  edit: Edit;
  applied: AppliedSteering;
}

/** At the first layer the vector as it is there, at each further one what it gains. */
function incrementsAt(
  layers: readonly number[],
  spec: SteerSpec & { op: 'inc' },
  vector: PersonaVector,
): Made[] {
  const gains = increments(vector.directions, vector.model.width);
  return layers.flatMap((layer, i) => {
    const row = i === 0 ? direction(vector, layer) : directionAt(gains, layer, vector);
    const length = norm(row);
    if (!(length > 0) || layer === afterFinalNorm(vector)) return []; // nothing is gained there
    const coefficient = coefficientAt(layer, spec, vector, length);
    const { op, scope } = spec;
    return [
      {
        edit: { op: 'add', layer, direction: row, coefficient, scope },
        applied: { vector: spec.vector, trait: vector.trait, op, layer, scope, norm: length, coefficient },
      },
    ];
  });
}

function directionAt(rows: Float32Array, layer: number, { model: { width } }: PersonaVector): Float32Array {
  return rows.subarray(layer * width, (layer + 1) * width);
}

function editAt(layer: number, spec: Exclude<SteerSpec, { op: 'inc' }>, vector: PersonaVector): Made {
  const row = direction(vector, layer);
  const length = norm(row);
  if (!(length > 0))
    throw new PersonaError(
      'BAD_VECTOR',
      `${spec.vector} has no direction at layer ${layer}: it is all zero there`,
    );
  const { op, scope } = spec;
  const target = { layer, direction: row, scope };
  const told = { vector: spec.vector, trait: vector.trait, op, layer, scope, norm: length };
  if (spec.op === 'ablate') return { edit: { ...target, op: spec.op }, applied: told };
  if (spec.op === 'cap') {
    const bound = boundAt(layer, spec, vector);
    return { edit: { ...target, op: spec.op, ...bound }, applied: { ...told, ...bound } };
  }
  const coefficient = coefficientAt(layer, spec, vector, length);
  const residual = vector.residualNorms?.[layer];
  const share = residual ? { share: (Math.abs(coefficient) * length) / residual } : {};
  return { edit: { ...target, op: spec.op, coefficient }, applied: { ...told, coefficient, ...share } };
}

function coefficientAt(
  layer: number,
  spec: SteerSpec & { op: 'add' | 'inc' },
  vector: PersonaVector,
  length: number,
): number {
  const { coefficient } = spec;
  if (coefficient?.unit === 'raw') return coefficient.value;
  if (coefficient?.unit === 'length') return coefficient.value / length;
  if (coefficient) {
    const residual = vector.residualNorms?.[layer];
    if (!residual)
      throw wrong(
        spec,
        `${spec.vector} does not hold the residual norms that a percentage is of`,
        `Give a plain coefficient, as in ${spec.vector}=1.5, or extract the vector anew.`,
      );
    return ((coefficient.value / 100) * residual) / length;
  }
  if (vector.coefficient !== undefined) return vector.coefficient;
  throw wrong(
    spec,
    `no coefficient was chosen for ${spec.vector}`,
    `Give one, as in ${spec.vector}=1.5, or let persona sweep find it.`,
  );
}

function boundAt(
  layer: number,
  spec: SteerSpec & { op: 'cap' },
  vector: PersonaVector,
): { above: number } | { below: number } {
  const wanted = spec.bound ?? { side: 'above', unit: 'sd', value: 1 };
  const bound = boundValue(layer, spec, wanted, vector);
  return wanted.side === 'above' ? { above: bound } : { below: bound };
}

function boundValue(
  layer: number,
  spec: SteerSpec,
  { side, unit, value }: Bound,
  { baseline, quality }: PersonaVector,
): number {
  if (unit === 'raw') return value;
  if (unit === 'sd') {
    // a bound holds for tokens, so it is measured by their spread: one held at 1sd reads z = 1
    if (baseline) return baseline.mean[layer]! + value * baseline.tokenDeviation[layer]!;
    throw wrong(
      spec,
      `${spec.vector} holds no neutral baseline to measure standard deviations from`,
      `Give the bound as a projection, as in ${spec.vector}=2.5:cap, or extract the vector anew.`,
    );
  }
  const floors = quality.axis?.floors;
  const bound = floors?.[String(value)]?.[layer];
  if (bound !== undefined) return bound;
  const sign = side === 'below' ? '>=' : '';
  if (!floors || Object.keys(floors).length === 0)
    throw wrong(
      spec,
      `${spec.vector} holds no percentiles of calibration tokens`,
      `Those of persona axis do; give the bound in deviations, as in ${spec.vector}=${sign}-1sd:cap.`,
    );
  const known = Object.keys(floors).map((p) => `${spec.vector}=${sign}${p}p:cap`);
  throw wrong(
    spec,
    `${spec.vector} does not hold the percentile ${value} of layer ${layer}`,
    `There are ${known.join(', ')}.`,
  );
}

function wrong(spec: SteerSpec, what: string, remedy: string): PersonaError {
  return new PersonaError('USAGE', `steering ${JSON.stringify(formatSpec(spec))}: ${what}`, { remedy });
}
