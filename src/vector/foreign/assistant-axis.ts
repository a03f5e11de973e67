/**
 * The files of assistant-axis (paper §13.3). A role or axis is a dictionary {vector [layers, d], type, role} whose row b
 * is block b. A file of caps is {vectors: {name: {layer, vector [d]}}, experiments: [{id, interventions: [{vector, cap}]}]}:
 * each intervention bounds ⟨h, v⟩/‖v‖ from above; what is meant as a floor stands there negated, vector and cap.
 */

import { PersonaError } from '../../errors.ts';
import { countOf, tensorFloats, TorchTensor, type TorchDict, type TorchValue } from '../torch/value.ts';
import { MAX_LAYERS } from '../schema.ts';
import { blockRows, whichOne, type Found, type Shape } from './found.ts';

/** Layers that one experiment may cap: a model has no more. */
const MAX_INTERVENTIONS = MAX_LAYERS;

export function isAxis(value: TorchValue): value is TorchDict {
  return value instanceof Map && value.get('vector') instanceof TorchTensor;
}

export function isCapping(value: TorchValue): value is TorchDict {
  return (
    value instanceof Map && value.get('vectors') instanceof Map && Array.isArray(value.get('experiments'))
  );
}

export function axisOf(path: string, value: TorchDict, shape: Shape): Found {
  const role = value.get('role');
  return {
    ...axisRows(path, 'vector', value.get('vector') as TorchTensor, shape),
    ...(typeof role === 'string' && role !== '' ? { trait: role } : {}),
  };
}

/** A tensor [layers, d] that counts as we do. */
export function axisRows(path: string, name: string, tensor: TorchTensor, shape: Shape): Found {
  const [height, width] = tensor.shape;
  if (tensor.shape.length !== 2 || height !== shape.layers || width !== shape.width)
    throw new PersonaError(
      'WRONG_MODEL',
      `${path}: ${name} has the shape [${tensor.shape.join(', ')}]; a vector of this model has [${shape.layers}, ${shape.width}]`,
      { remedy: 'Give the model that it was made on with --model.' },
    );
  return { rows: blockRows(tensorFloats(tensor, path, name), width), width, notes: ['row b is block b'] };
}

export function cappingOf(
  path: string,
  value: TorchDict,
  experiment: string | undefined,
  shape: Shape,
): Found {
  const experiments = (value.get('experiments') as TorchValue[]).filter((item) => item instanceof Map);
  const ids = experiments.map((item, i) => {
    const id = item.get('id');
    return typeof id === 'string' ? id : `experiment ${i}`;
  });
  const chosen = experiment === undefined && ids.length === 1 ? 0 : ids.indexOf(experiment ?? '');
  const interventions = experiments[chosen]?.get('interventions');
  if (!Array.isArray(interventions)) throw whichOne(path, 'experiment', ids, '--experiment');
  const place = `${path}: experiment ${ids[chosen]}`;
  if (interventions.length > MAX_INTERVENTIONS)
    throw new PersonaError('BAD_VECTOR', `${place} has ${interventions.length} interventions`);
  const rows = new Map<number, Float32Array>();
  const caps: { layer: number; cap: number }[] = [];
  const vectors = value.get('vectors') as TorchDict;
  for (const [i, item] of interventions.entries()) {
    const name = item instanceof Map ? item.get('vector') : undefined;
    const cap = item instanceof Map ? numberOf(item.get('cap') ?? null, path) : undefined;
    const vector = typeof name === 'string' ? vectors.get(name) : undefined;
    const layer = vector instanceof Map ? vector.get('layer') : undefined;
    const row = vector instanceof Map ? vector.get('vector') : undefined;
    if (
      cap === undefined ||
      typeof name !== 'string' ||
      typeof layer !== 'number' ||
      !(row instanceof TorchTensor)
    )
      throw new PersonaError(
        'BAD_VECTOR',
        `${place}: intervention ${i} lacks a cap, or a vector with its layer`,
      );
    if (!Number.isInteger(layer) || layer < 0 || layer >= shape.layers || countOf(row) !== shape.width)
      throw new PersonaError(
        'WRONG_MODEL',
        `${place}: layer ${layer} of width ${countOf(row)}; the model has ${shape.layers} layers of width ${shape.width}`,
        { remedy: 'Give the model that it was made on with --model.' },
      );
    if (rows.has(layer))
      throw new PersonaError(
        'UNSUPPORTED',
        `${place} caps layer ${layer} twice: a vector has one row a layer`,
      );
    rows.set(layer, tensorFloats(row, path, name));
    caps.push({ layer, cap });
  }
  if (rows.size === 0) throw new PersonaError('BAD_VECTOR', `${place} has no interventions`);
  return {
    rows,
    width: shape.width,
    caps,
    trait: 'assistant axis',
    notes: [
      'layer b is block b',
      'each cap bounds the projection ⟨h, v⟩/‖v‖ from above; a floor stands in such a file as a negated vector with a negated cap',
    ],
  };
}

/** A number, or a tensor of one number. */
function numberOf(value: TorchValue, path: string): number | undefined {
  const number =
    value instanceof TorchTensor && countOf(value) === 1 ? tensorFloats(value, path, 'cap')[0] : value;
  return typeof number === 'number' && Number.isFinite(number) ? number : undefined;
}
