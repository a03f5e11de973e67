/**
 * The `.pt` files that persona vectors are kept in: the reference's tensor [layers + 1, d], and the dictionaries of
 * assistant-axis, whose tensor [layers, d] begins with block 0 (paper §4.4, §13.3).
 */

import { basename } from 'node:path';
import { PersonaError } from '../../errors.ts';
import { isMeanKind } from '../schema.ts';
import { readTorch } from '../torch/read.ts';
import { countOf, tensorFloats, TorchTensor, type TorchValue } from '../torch/value.ts';
import { axisOf, axisRows, cappingOf, isAxis, isCapping } from './assistant-axis.ts';
import { blockOf, matrixRows, namedRows, whichOne, type Choice, type Found, type Shape } from './found.ts';

/** Dictionaries in dictionaries: more is no file of vectors. */
const MAX_DEPTH = 8;
/** A dictionary may lie in many places at once, so that walking through all may never end. */
const MAX_ITEMS = 20_000;

/**
 * @param choice.axis the file is one of assistant-axis, whose bare tensors have no row of embeddings
 * @throws PersonaError BAD_FILE, BAD_VECTOR or WRONG_MODEL
 */
export async function readTorchRows(
  path: string,
  shape: Shape,
  { tensor: wanted, experiment, axis = false }: Choice & { axis?: boolean } = {},
): Promise<Found> {
  const value = await readTorch(path);
  if (wanted === undefined && isCapping(value)) return cappingOf(path, value, experiment, shape);
  if (wanted === undefined && isAxis(value)) return axisOf(path, value, shape);
  const tensors = tensorsIn(path, value);
  const named = wanted === undefined ? rowsByName(path, value, shape) : undefined;
  if (named) return named;
  const [name, tensor] = onlyTensor(path, tensors, wanted);
  const [height, width] = tensor.shape;
  if (axis) return axisRows(path, name || 'the tensor', tensor, shape);
  const place = `${path}: ${name || 'the tensor'}`;
  if (height === undefined || width === undefined || tensor.shape.length !== 2)
    throw new PersonaError(
      'BAD_VECTOR',
      `${place} has the shape [${tensor.shape.join(', ')}], expected [${shape.layers + 1}, ${shape.width}]`,
      { remedy: 'A vector has one row a layer.' },
    );
  checkWidth(place, width, shape);
  if (height === shape.layers)
    throw new PersonaError(
      'BAD_VECTOR',
      `${place} has ${height} rows, one a layer, but none for the embeddings`,
      {
        remedy: 'If row b is block b, say --from assistant-axis.',
      },
    );
  const rows = matrixRows(
    place,
    tensorFloats(tensor, path, name || 'the tensor'),
    [height, width],
    shape.layers,
  );
  return { ...rows, ...fromName(path) };
}

export function checkWidth(place: string, width: number, shape: Shape): void {
  if (width !== shape.width)
    throw new PersonaError('WRONG_MODEL', `${place} has width ${width}; the model has ${shape.width}`, {
      remedy: 'Give the model that it was made on with --model.',
    });
}

/** All tensors, by the keys that lead to them. */
function tensorsIn(path: string, value: TorchValue): Map<string, TorchTensor> {
  const found = new Map<string, TorchTensor>();
  let items = 0;
  const walk = (item: TorchValue, name: string, depth: number): void => {
    if (++items > MAX_ITEMS)
      throw new PersonaError(
        'BAD_VECTOR',
        `${path}: more than ${MAX_ITEMS} items: this is no file of vectors`,
      );
    if (item instanceof TorchTensor) found.set(name, item);
    if (!(item instanceof Map) || depth === MAX_DEPTH) return;
    const prefix = name === '' ? '' : `${name}.`;
    for (const [key, inner] of item) walk(inner, `${prefix}${key}`, depth + 1);
  };
  walk(value, '', 0);
  return found;
}

/** A dictionary of one row a block. */
function rowsByName(path: string, value: TorchValue, shape: Shape): Found | undefined {
  if (!(value instanceof Map) || value.size === 0) return undefined;
  const named: [string, TorchTensor][] = [];
  for (const [key, item] of value) {
    if (!(item instanceof TorchTensor) || item.shape.length !== 1 || blockOf(String(key)) === undefined)
      return undefined;
    checkWidth(`${path}: ${key}`, countOf(item), shape);
    named.push([String(key), item]);
  }
  return namedRows(
    path,
    named.map(([name, tensor]) => [name, tensorFloats(tensor, path, name)]),
  );
}

function onlyTensor(
  path: string,
  tensors: Map<string, TorchTensor>,
  wanted: string | undefined,
): [string, TorchTensor] {
  if (wanted !== undefined) {
    const found = tensors.get(wanted);
    if (found) return [wanted, found];
  }
  const matrices = [...tensors].filter(([, { shape }]) => shape.length === 2);
  const [only] = matrices.length > 0 ? matrices : [...tensors];
  if (only && wanted === undefined && (matrices.length === 1 || tensors.size === 1)) return only;
  throw whichOne(path, 'tensor', [...tensors.keys()], '--tensor');
}

/** The reference names its files TRAIT_KIND_diff.pt. */
function fromName(path: string): Pick<Found, 'trait' | 'kind'> {
  const [, trait, kind] =
    /^(.+?)_(response_avg|prompt_avg|prompt_last)_diff\.[^.]*$/.exec(basename(path)) ?? [];
  return trait !== undefined && kind !== undefined && isMeanKind(kind) ? { trait, kind } : {};
}
