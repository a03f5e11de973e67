/**
 * llama.cpp's control vectors, with llama.cpp's meaning: `direction.b` times a scale is added to the output of block b,
 * for all blocks of the range and in the whole text; several files are summed. Any file of the kind will do. One of ours
 * knows its model and is refused on another; of a foreign one only the width can be checked.
 */

import { PersonaError } from '../errors.ts';
import { addScaled, norm } from '../math/vector.ts';
import type { ModelIdentity } from '../model/chat-model.ts';
import { readDirections } from '../vector/directions.ts';
import { readVector } from '../vector/file.ts';
import { isFile } from '../vector/find.ts';
import { checkFit } from '../vector/fit.ts';
import type { PersonaVector } from '../vector/vector.ts';
import type { Steering } from './resolve.ts';

export interface ControlVectorSpec {
  path: string;
  scale: number;
}

export interface ControlVector {
  path: string;
  /** of the model that it was made for, where the file says so */
  hint: string | undefined;
  /** absent where another tool wrote the file */
  own: PersonaVector | undefined;
  /** block b → (d); blocks begin at 1, as llama.cpp cannot edit the first one */
  directions: Map<number, Float32Array>;
}

/** Blocks, both ends included. */
export type BlockRange = readonly [first: number, last: number];

/** `FNAME[,FNAME]`; a file whose name holds a comma is one file. */
export function parseControlVectors(
  text: string,
  exists: (path: string) => boolean = isFile,
): ControlVectorSpec[] {
  if (exists(text)) return [{ path: text, scale: 1 }];
  return text.split(',').map((path) => ({ path: path.trim(), scale: 1 }));
}

/** `FNAME:SCALE[,FNAME:SCALE]`, and the older `FNAME SCALE`. @throws PersonaError USAGE */
export function parseScaledControlVectors(text: string): ControlVectorSpec[] {
  const found: ControlVectorSpec[] = [];
  let held = ''; // a comma belongs to a file's name as long as no scale came
  for (const part of text.split(',')) {
    const piece = held === '' ? part.trim() : `${held},${part}`;
    const [, path, scale] =
      /^(.+?)(?:\s*:\s*|\s+)([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)$/i.exec(piece) ?? [];
    held = path === undefined ? piece : '';
    if (path !== undefined) found.push({ path, scale: Number(scale) });
  }
  if (held !== '' || found.length === 0)
    throw new PersonaError('USAGE', `--control-vector-scaled ${JSON.stringify(text)}: expected FNAME:SCALE`, {
      remedy: 'Write --control-vector-scaled evil.gguf:0.8; without a scale use --control-vector.',
    });
  return found;
}

/** `A,B` or `A B`, as in --control-vector-layer-range 10 31. @throws PersonaError USAGE */
export function parseBlockRange(text: string): BlockRange {
  const found = /^(\d{1,4})[\s,]+(\d{1,4})$/.exec(text.trim());
  const [first, last] = [Number(found?.[1]), Number(found?.[2])];
  if (!found || first < 1 || last < first)
    throw new PersonaError(
      'USAGE',
      `--control-vector-layer-range ${JSON.stringify(text)}: expected two layers, from 1 on and the lower one first`,
      { remedy: 'Write --control-vector-layer-range 10 31; both ends are included.' },
    );
  return [first, last];
}

/** @throws PersonaError BAD_VECTOR or BAD_FILE */
export async function readControlVector(path: string): Promise<ControlVector> {
  const { hint, directions, isOurs } = await readDirections(path);
  return { path, hint, own: isOurs ? await readVector(path) : undefined, directions };
}

/**
 * The sum of control vectors as one edit per block.
 * @param range absent: all blocks
 * @throws PersonaError WRONG_MODEL when a width is not the model's
 */
export function controlVectorSteering(
  vectors: readonly (ControlVector & { scale: number })[],
  range: BlockRange | undefined,
  model: ModelIdentity,
): Steering {
  const [first, last] = [range?.[0] ?? 1, Math.min(range?.[1] ?? Infinity, model.layers - 1)];
  const sums = new Map<number, Float32Array>();
  const steering: Steering = { edits: [], applied: [], notes: [] };
  for (const { path, hint, own, directions, scale } of vectors) {
    const note = own ? checkFit(own, model, path) : hintNote(path, hint, model);
    if (note !== undefined) steering.notes.push(note);
    for (const [layer, row] of [...directions].toSorted(([a], [b]) => a - b)) {
      if (row.length !== model.width)
        throw new PersonaError(
          'WRONG_MODEL',
          `${path} has width ${row.length}; ${model.name} has ${model.width}`,
          {
            remedy: 'use a control vector that was made on this model',
          },
        );
      if (layer < first || layer > last) continue;
      const sum = sums.get(layer) ?? new Float32Array(model.width);
      addScaled(sum, row, scale);
      sums.set(layer, sum);
      steering.applied.push({
        vector: path,
        ...(own && { trait: own.trait }),
        op: 'add',
        layer,
        scope: 'all',
        norm: norm(row),
        coefficient: scale,
      });
    }
  }
  if (sums.size === 0 && vectors.length > 0)
    throw new PersonaError('USAGE', `the control vectors have no direction in layers ${first} to ${last}`, {
      remedy: `Check --control-vector-layer-range: layers are 1 to ${model.layers - 1}.`,
    });
  for (const [layer, sum] of [...sums].toSorted(([a], [b]) => a - b)) {
    // the engine refuses a direction that points nowhere: where the sum is zero, nothing is added
    if (norm(sum) > 0)
      steering.edits.push({ op: 'add', layer, direction: sum, coefficient: 1, scope: 'all' });
  }
  return steering;
}

function hintNote(path: string, hint: string | undefined, model: ModelIdentity): string | undefined {
  return hint === undefined || hint === model.architecture
    ? undefined
    : `${path} was made for ${hint}; ${model.name} is ${model.architecture}`;
}
