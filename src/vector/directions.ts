/** The directions in a control vector of any tool (repeng, llama-cvector-generator, ours): GGUF tensors `direction.b`. */

import { PersonaError } from '../errors.ts';
import { elementCount, ggufString } from '../model/gguf.ts';
import { readGguf, readTensor } from '../model/gguf-read.ts';
import { MAX_LAYERS } from './schema.ts';

export interface Directions {
  /** architecture of the model that it was made for, where the file says so */
  hint: string | undefined;
  /** block b → (d), from block 1 on */
  directions: Map<number, Float32Array>;
  /** written by this product, which keeps block 0 elsewhere */
  isOurs: boolean;
}

/** @throws PersonaError BAD_VECTOR or BAD_FILE */
export async function readDirections(path: string): Promise<Directions> {
  const file = await readGguf(path);
  const directions = new Map<number, Float32Array>();
  let width: number | undefined;
  for (const [name, { shape }] of file.tensors) {
    const block = Number(/^direction\.(0|[1-9]\d*)$/.exec(name)?.[1]);
    if (Number.isNaN(block)) continue;
    const found = elementCount(shape);
    if (block === 0)
      throw new PersonaError('BAD_VECTOR', `${path}: holds a direction.0, which control vectors may not`);
    if (block >= MAX_LAYERS)
      throw new PersonaError(
        'BAD_VECTOR',
        `${path}: ${name} is beyond the ${MAX_LAYERS} layers of any model`,
      );
    if (found === 0 || found !== (width ??= found))
      throw new PersonaError('BAD_VECTOR', `${path}: ${name} has width ${found}, others have ${width}`);
    const row = await readTensor(file, name);
    if (!row.every(Number.isFinite))
      throw new PersonaError('BAD_VECTOR', `${path}: ${name} holds a value that is not finite`);
    directions.set(block, row);
  }
  if (directions.size === 0)
    throw new PersonaError('BAD_VECTOR', `${path}: no direction.1, direction.2 …: this is no control vector`);
  return {
    hint: ggufString(file, 'controlvector.model_hint'),
    directions,
    isOurs: file.metadata.has('persona.trait'),
  };
}
