/**
 * From the request's `steering` to edits. Vectors are those that are loaded, by name: a request never names a path.
 * What cannot be done is an error that names its field.
 */

import { isPersonaError } from '../../errors.ts';
import { steeringOf, joinSteering, NO_STEERING, type Steering } from '../../steer/resolve.ts';
import type { AskedSpec } from '../../steer/policy/permission.ts';
import { parseSpec, type LayerRange, type SteerSpec } from '../../steer/spec.ts';
import { closestNames } from '../../trait/closest.ts';
import type { PersonaVector } from '../../vector/vector.ts';
import { type ApiError, refuse, toApiError } from '../errors.ts';
import type { LoadedVector, Served } from '../served.ts';
import type { SteeringField, SteeringObject } from './steering-schema.ts';

export interface AskedSteering extends AskedSpec {
  /** the object's field that says where; undefined for a SPEC string, whose parts are no fields */
  layerField?: 'layer' | 'layers';
}

const COEFFICIENTS = ['coefficient', 'coef', 'coeff', 'scale', 'strength', 'multiplier', 'alpha'] as const;

/**
 * What a request asks for; `undefined` is what the server does by default.
 * @throws ApiError
 */
export function askedSteering(field: SteeringField, served: Served): AskedSteering[] | undefined {
  if (field === undefined || field === null) return undefined;
  if (field === false) return [];
  const asked = Array.isArray(field)
    ? field.flatMap((each, i) => specsOf(each, `steering[${i}]`, served))
    : specsOf(field, 'steering', served);
  if (asked.length > served.limits.directions)
    throw refuse('steering', `${asked.length} steerings; at most ${served.limits.directions}`);
  return asked;
}

/** @throws ApiError of a default that names no loaded vector */
export function defaultSteering(served: Served): AskedSteering[] {
  return served.defaults.steering.flatMap((spec) => specsOf(spec, 'steering', served));
}

/** @throws ApiError naming the field */
export function resolveAsked(asked: readonly AskedSteering[], { vectors, model }: Served): Steering {
  if (asked.length === 0) return NO_STEERING;
  return joinSteering(
    asked.map((each) => {
      const { spec } = each;
      const { vector } = vectors.get(spec.vector)!;
      try {
        return steeringOf(spec, vector, model.identity);
      } catch (error) {
        throw blame(error, each, vector);
      }
    }),
  );
}

function specsOf(value: string | SteeringObject, path: string, served: Served): AskedSteering[] {
  if (typeof value !== 'string') return fromObject(value, path, served);
  let spec: SteerSpec;
  try {
    spec = parseSpec(value, (name) => served.vectors.has(name));
  } catch (error) {
    throw withPath(error, path);
  }
  loadedVector(spec.vector, path, served.vectors);
  return [{ spec, path }];
}

/** @throws ApiError naming the vectors there are */
export function loadedVector(
  name: string,
  path: string,
  vectors: ReadonlyMap<string, LoadedVector>,
): LoadedVector {
  const found = vectors.get(name);
  if (found) return found;
  const names = [...vectors.keys()];
  const near = closestNames(name, names, 1);
  const known = names.length === 0 ? 'none is loaded' : `loaded are ${names.join(', ')}`;
  throw refuse(
    path,
    `no vector ${JSON.stringify(name)} is loaded; ${near.length > 0 ? `did you mean ${near[0]}?` : known}`,
    'vector_not_found',
  );
}

// Objects

function fromObject(object: SteeringObject, path: string, served: Served): AskedSteering[] {
  const vector = vectorOf(object, path, served);
  const scope = only(object, ['scope', 'apply'], path) ?? 'response';
  const amount = only(object, COEFFICIENTS, path);
  const bounded = object.above !== undefined || object.below !== undefined;
  const op = object.op ?? (bounded ? 'cap' : 'add');
  const ranges = rangesOf(object, path);
  const base = { vector, scope };
  const layerField = object.layers === undefined ? 'layer' : 'layers';
  const at = (spec: SteerSpec): AskedSteering[] =>
    ranges.length === 0
      ? [{ spec, path, layerField }]
      : ranges.map((layers) => ({ spec: { ...spec, layers }, path, layerField }));

  if (op !== 'cap' && bounded)
    throw refuse(
      `${path}.${object.above === undefined ? 'below' : 'above'}`,
      `a bound belongs to a cap, not to ${op}`,
    );
  if (amount !== undefined && (op === 'ablate' || op === 'cap'))
    throw refuse(
      `${path}.${coefficientField(object)}`,
      op === 'cap'
        ? 'a cap has above or below'
        : 'an ablation removes all of the component and takes no amount',
    );
  const { unit = 'raw' } = object;
  if (op === 'ablate') {
    if (object.unit !== undefined) throw refuse(`${path}.unit`, 'an ablation takes no amount');
    return at({ ...base, op });
  }
  if (op === 'cap') {
    if (unit !== 'raw' && unit !== 'sd')
      throw refuse(`${path}.unit`, `a bound is in raw or sd, not in ${unit}`);
    if (!bounded && object.unit !== undefined) throw refuse(`${path}.unit`, 'no bound is given');
    if (object.below !== undefined && object.above !== undefined && object.below > object.above)
      throw refuse(`${path}.below`, `nothing is at least ${object.below} and at most ${object.above}`);
    if (!bounded) return at({ ...base, op });
    return (['above', 'below'] as const).flatMap((side) => {
      const value = object[side];
      return value === undefined ? [] : at({ ...base, op, bound: { side, unit, value } });
    });
  }
  if (unit === 'sd')
    throw refuse(`${path}.unit`, 'sd is the unit of a bound; a coefficient is raw, percent or length');
  if (amount === undefined && object.unit !== undefined)
    throw refuse(`${path}.unit`, 'no coefficient is given');
  const coefficient = amount === undefined ? {} : { coefficient: { unit, value: amount } };
  if (op === 'inc') {
    if (unit !== 'raw') throw refuse(`${path}.unit`, 'increments take one plain coefficient for all layers');
    if (ranges.length > 1) throw refuse(`${path}.layers`, 'increments act on one range of layers');
  }
  return at({ ...base, op, ...coefficient });
}

function vectorOf({ vector, trait }: SteeringObject, path: string, { vectors }: Served): string {
  if (vector !== undefined && trait !== undefined)
    throw refuse(`${path}.trait`, 'the vector is named already; give one of vector and trait');
  if (vector !== undefined) {
    loadedVector(vector, `${path}.vector`, vectors);
    return vector;
  }
  if (trait === undefined)
    throw refuse(`${path}.vector`, 'absent: name a loaded vector', 'missing_required_parameter');
  const having = [...vectors].filter(([, loaded]) => loaded.vector.trait === trait).map(([name]) => name);
  if (having.length === 1) return having[0]!;
  if (having.length > 1)
    throw refuse(`${path}.trait`, `${having.join(' and ')} are of this trait; name one as vector`);
  loadedVector(trait, `${path}.trait`, vectors); // where a vector is named like the trait that was meant
  return trait;
}

function rangesOf(object: SteeringObject, path: string): LayerRange[] {
  const { layer, layers } = object;
  if (layer !== undefined && layers !== undefined)
    throw refuse(`${path}.layers`, 'layer is given already; give one of them');
  if (layer !== undefined) return [{ from: layer, to: layer }];
  if (layers === undefined) return [];
  if (typeof layers === 'number') return [{ from: layers, to: layers }];
  if (typeof layers === 'string') {
    const [from = 0, to = from] = layers.split('-').map(Number);
    if (to < from) throw refuse(`${path}.layers`, `runs backwards; write ${to}-${from}`);
    return [{ from, to }];
  }
  if (new Set(layers).size < layers.length) throw refuse(`${path}.layers`, 'a layer is there twice');
  const ranges: LayerRange[] = [];
  for (const at of layers.toSorted((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last?.to === at - 1) last.to = at;
    else ranges.push({ from: at, to: at });
  }
  return ranges;
}

/** The value of fields that mean the same. @throws ApiError when two are given */
function only<K extends keyof SteeringObject>(
  object: SteeringObject,
  fields: readonly K[],
  path: string,
): SteeringObject[K] | undefined {
  const given = fields.filter((field) => object[field] !== undefined);
  if (given.length > 1)
    throw refuse(`${path}.${given[1]!}`, `means the same as ${given[0]!}; give one of them`);
  return given[0] && object[given[0]];
}

function coefficientField(object: SteeringObject): string {
  return COEFFICIENTS.find((field) => object[field] !== undefined) ?? 'coefficient';
}

// Blame

/** An error of resolving a spec, with the field that is at fault. */
function blame(error: unknown, asked: AskedSteering, vector: PersonaVector): ApiError {
  if (!isPersonaError(error)) return toApiError(error);
  const field = asked.layerField && fieldAtFault(error.code, asked.spec, vector, asked.layerField);
  return withPath(error, field === undefined ? asked.path : `${asked.path}.${field}`);
}

function fieldAtFault(
  code: string,
  spec: SteerSpec,
  vector: PersonaVector,
  layerField: string,
): string | undefined {
  if (code === 'WRONG_MODEL') return 'vector';
  if (code !== 'USAGE') return undefined;
  const last = spec.layers?.to ?? (spec.op === 'inc' ? 0 : vector.layer);
  if (last === undefined || last >= vector.model.layers) return layerField;
  if (spec.op === 'cap') return 'unit';
  if (spec.op === 'add' || spec.op === 'inc') return spec.coefficient ? 'unit' : 'coefficient';
  return undefined;
}

function withPath(error: unknown, param: string): ApiError {
  const { message, reason } = toApiError(error);
  return refuse(param, message, reason);
}
