/** Safetensors of other tools: one matrix, or one tensor a layer named `direction.N`, `layer_N` or `N`. */

import { PersonaError } from '../../errors.ts';
import { readSafetensor, type Safetensors } from '../../files/safetensors.ts';
import { blockOf, matrixRows, namedRows, whichOne, type Choice, type Found, type Shape } from './found.ts';

/** @throws PersonaError BAD_FILE, BAD_VECTOR or WRONG_MODEL */
export async function readSafetensorsRows(
  file: Safetensors,
  shape: Shape,
  { tensor: wanted }: Choice = {},
): Promise<Found> {
  const { path, tensors } = file;
  const names = [...tensors.keys()];
  const rowsOnly = [...tensors].every(
    ([name, { shape: found }]) =>
      blockOf(name) !== undefined && found.length === 1 && found[0] === shape.width,
  );
  if (wanted === undefined && rowsOnly) {
    const named: [string, Float32Array][] = [];
    for (const name of names) named.push([name, await readSafetensor(file, name)]);
    const found = namedRows(path, named);
    if (found) return found;
  }
  const matrices = names.filter((name) => tensors.get(name)!.shape.length === 2);
  const name = wanted ?? (matrices.length === 1 ? matrices[0]! : undefined);
  const found = name === undefined ? undefined : tensors.get(name);
  if (name === undefined || !found) throw whichOne(path, 'tensor', names, '--tensor');
  const [height, width] = found.shape;
  if (height === undefined || width !== shape.width || found.shape.length !== 2)
    throw new PersonaError(
      'WRONG_MODEL',
      `${path}: ${name} has the shape [${found.shape.join(', ')}], expected [${shape.layers}, ${shape.width}] for this model`,
      { remedy: 'Give the model that it was made on with --model.' },
    );
  checkHeight(path, name, height, shape);
  return matrixRows(`${path}: ${name}`, await readSafetensor(file, name), [height, width], shape.layers);
}

/** Before a matrix of any height is read into memory. */
function checkHeight(path: string, name: string, height: number, { layers }: Shape): void {
  if (height !== layers && height !== layers + 1)
    throw new PersonaError(
      'WRONG_MODEL',
      `${path}: ${name} has ${height} rows; the model has ${layers} layers`,
      {
        remedy: 'Give the model that it was made on with --model.',
      },
    );
}
