/** The vectors that a server has loaded: brought in by name, proved on the model, told of, and let go. */

import { realpath } from 'node:fs/promises';
import { isAbsolute, relative, resolve, sep } from 'node:path';
import { norm } from '../math/vector.ts';
import { PersonaError } from '../errors.ts';
import { checkFit } from '../vector/fit.ts';
import { readVector } from '../vector/file.ts';
import { direction, type PersonaVector } from '../vector/vector.ts';
import { ApiError } from './errors.ts';
import type { LoadedVector, Served } from './served.ts';

/** In a SPEC, other characters end a name or begin a path. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** @throws ApiError when the name cannot be had */
export function checkName(name: string, { vectors, limits }: Served): void {
  if (!NAME.test(name))
    throw new ApiError(`name: ${JSON.stringify(name)}: expected up to 64 letters, digits, dots, dashes`, {
      param: 'name',
    });
  if (vectors.has(name))
    throw new ApiError(`name: a vector ${name} is loaded; unload it first, or take another name`, {
      status: 409,
      param: 'name',
      code: 'vector_exists',
    });
  if (vectors.size >= limits.vectors)
    throw new ApiError(`${vectors.size} vectors are loaded; no more than that`, {
      status: 409,
      code: 'too_many_vectors',
    });
}

/**
 * Takes a vector in, once its edit was proved to reach the model.
 * @returns what people should know of it
 * @throws ApiError, or PersonaError WRONG_MODEL, BAD_VECTOR or CANARY
 */
export async function loadVector(
  served: Served,
  name: string,
  vector: PersonaVector,
  source: string,
): Promise<{ loaded: LoadedVector; note: string | undefined }> {
  checkName(name, served);
  const note = checkFit(vector, served.model.identity, name);
  await prove(served, name, vector);
  checkName(name, served); // another may have come meanwhile
  const loaded = { vector, source, loadedAt: new Date().toISOString() };
  served.vectors.set(name, loaded);
  return { loaded, note };
}

async function prove({ model }: Served, name: string, vector: PersonaVector): Promise<void> {
  const { layers } = vector.model;
  const middle = Math.floor(layers / 2);
  const order = [vector.layer ?? middle, ...Array.from({ length: layers }, (_, b) => (middle + b) % layers)];
  const layer = order.find((b) => norm(direction(vector, b)) > 0);
  if (layer === undefined) throw new PersonaError('BAD_VECTOR', `${name} has no direction at any layer`);
  const edit = { op: 'ablate', layer, direction: direction(vector, layer) } as const;
  await model.engine.run({ prompt: 'a', maxTokens: 0, edits: [edit] }); // the engine proves an edit that is new to it
}

/** @throws ApiError 403 for what lies outside of the folder, by name or by a link; 404 */
export async function readFromFolder(folder: string | undefined, path: string): Promise<PersonaVector> {
  const outside = new ApiError(`path: ${JSON.stringify(path)} is not within the vectors folder`, {
    status: 403,
    param: 'path',
    code: 'path_outside',
  });
  if (folder === undefined)
    throw new ApiError('path: this server loads no files; start it with --vectors-folder, or upload', {
      status: 403,
      param: 'path',
      code: 'no_vectors_folder',
    });
  if (path.includes('\0') || !isWithin(folder, resolve(folder, path))) throw outside;
  const missing = new ApiError(`path: there is no ${JSON.stringify(path)} in the vectors folder`, {
    status: 404,
    param: 'path',
    code: 'vector_not_found',
  });
  const root = await realpath(folder);
  const real = await realpath(resolve(folder, path)).catch(() => Promise.reject(missing));
  if (!isWithin(root, real)) throw outside;
  return await readVector(real);
}

function isWithin(folder: string, path: string): boolean {
  const way = relative(resolve(folder), path);
  return way !== '' && way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

export function describeVector(name: string, { vector, source, loadedAt }: LoadedVector): object {
  const { trait, kind, model, layer, coefficient } = vector;
  return {
    name,
    trait,
    kind,
    model: { name: model.name, architecture: model.architecture, quantization: model.quantization },
    layers: model.layers,
    layer: layer ?? null,
    coefficient: coefficient ?? null,
    norm: layer === undefined ? null : norm(direction(vector, layer)),
    baseline: vector.baseline !== undefined,
    source,
    loaded_at: loadedAt,
  };
}
