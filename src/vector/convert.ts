/**
 * From a vector file of any kind to a persona vector: row b is the residual stream after block b. What the file does not
 * say (model, trait) has to be given; how the file counts its layers is said aloud.
 */

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { basename } from 'node:path';
import type { MeanKind } from '../engine/request.ts';
import { PersonaError } from '../errors.ts';
import { version } from '../files/package-version.ts';
import { fileProblem } from '../files/file-problem.ts';
import { readSafetensors } from '../files/safetensors.ts';
import { norm } from '../math/vector.ts';
import type { ModelIdentity } from '../model/model-identity.ts';
import { readDirections } from './directions.ts';
import { readVector } from './file.ts';
import { checkFit } from './fit.ts';
import type { Choice, Found, Shape } from './foreign/found.ts';
import { readSafetensorsRows } from './foreign/safetensors-rows.ts';
import { checkWidth, readTorchRows } from './foreign/torch-rows.ts';
import { formatOf, type VectorFormat } from './format.ts';
import { isOurs, readVectorSafetensors } from './safetensors.ts';
import type { Converted, PersonaVector } from './vector.ts';

/** What a foreign file does not say, and what is to be changed of one of ours. */
export interface Given extends Choice {
  /** @default by the path's end */
  from?: VectorFormat | undefined;
  /** Called only where the file does not know its model. */
  model: () => Promise<ModelIdentity | undefined>;
  trait?: string | undefined;
  kind?: MeanKind | undefined;
  layer?: number | undefined;
  coefficient?: number | undefined;
}

export interface Conversion {
  vector: PersonaVector;
  from: VectorFormat;
  /** how layers map, and what to beware of; for people */
  notes: string[];
}

/** @throws PersonaError USAGE where something must be given, or of reading the file */
export async function readAnyVector(path: string, given: Given): Promise<Conversion> {
  const from = given.from ?? formatOf(path);
  const own = await readOwn(path, from);
  if (own) return await changed(path, own, from, given);
  const model = await given.model();
  if (!model)
    throw new PersonaError('USAGE', `${path} does not say which model it was made on`, {
      remedy: 'Give it with --model: a file, a name or hf:owner/repo[:quant].',
    });
  const found = await readRows(path, from, model, given);
  const trait = given.trait ?? found.trait;
  if (trait === undefined)
    throw new PersonaError('USAGE', `${path} does not say which trait it is of`, {
      remedy: 'Give it with --trait NAME.',
    });
  checkLayer(given.layer, model);
  const missing = Array.from({ length: model.layers }, (_, b) => b).filter(
    (b) => !isDirection(found.rows.get(b)),
  );
  const directions = new Float32Array(model.layers * model.width);
  for (const [b, row] of found.rows) directions.set(row, b * model.width);
  const converted: Converted = {
    from,
    file: basename(path),
    sha256: await sha256Of(path),
    missing,
    ...(found.afterFinalNorm === undefined ? {} : { afterFinalNorm: found.afterFinalNorm }),
    ...(found.caps ? { caps: found.caps } : {}),
  };
  const notes = [...found.notes];
  if (missing.length > 0) notes.push(`no direction for ${blocks(missing)}: zero`);
  if (given.layer !== undefined && missing.includes(given.layer))
    notes.push(`layer ${given.layer} was chosen, but there is no direction at it`);
  if (given.layer !== undefined && given.layer === found.afterFinalNorm)
    notes.push(`layer ${given.layer} was chosen, but its row lies after the final norm`);
  if (given.kind === undefined && found.kind === undefined)
    notes.push('taken to be the mean over answer tokens (response_avg); say otherwise with --kind');
  const vector: PersonaVector = {
    trait,
    kind: given.kind ?? found.kind ?? 'response_avg',
    model,
    directions,
    ...(given.layer === undefined ? {} : { layer: given.layer }),
    ...(given.coefficient === undefined ? {} : { coefficient: given.coefficient }),
    recipe: { created: new Date().toISOString(), converted },
    quality: {},
    version,
  };
  return { vector, from, notes };
}

/** A vector that knows all of itself. */
async function readOwn(path: string, from: VectorFormat): Promise<PersonaVector | undefined> {
  if (from === 'gguf') return (await readDirections(path)).isOurs ? await readVector(path) : undefined;
  if (from !== 'safetensors') return undefined;
  const file = await readSafetensors(path);
  return isOurs(file) ? await readVectorSafetensors(file) : undefined;
}

async function changed(
  path: string,
  vector: PersonaVector,
  from: VectorFormat,
  { model, trait, kind, layer, coefficient }: Given,
): Promise<Conversion> {
  const wanted = await model();
  const note = wanted && checkFit(vector, wanted, path);
  checkLayer(layer, vector.model);
  const changes = { trait, kind, layer, coefficient };
  const said = Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined));
  return {
    vector: { ...vector, ...said },
    from,
    notes: ['row b is block b', ...(note === undefined ? [] : [note])],
  };
}

/** @throws PersonaError of reading; the rows fit the model's layers and width */
export async function readRows(
  path: string,
  from: VectorFormat,
  shape: Shape,
  choice: Choice,
): Promise<Found> {
  const found = await rowsOf(path, from, shape, choice);
  checkWidth(path, found.width, shape);
  const beyond = Math.max(...found.rows.keys());
  if (beyond >= shape.layers)
    throw new PersonaError(
      'WRONG_MODEL',
      `${path} has a direction for block ${beyond}; the model has blocks 0 to ${shape.layers - 1}`,
      { remedy: 'Give the model that it was made on with --model.' },
    );
  return found;
}

async function rowsOf(path: string, from: VectorFormat, shape: Shape, choice: Choice): Promise<Found> {
  switch (from) {
    case 'pt':
    case 'assistant-axis':
      return await readTorchRows(path, shape, { ...choice, axis: from === 'assistant-axis' });
    case 'safetensors':
      return await readSafetensorsRows(await readSafetensors(path), shape, choice);
    case 'gguf':
    case 'cvector': {
      const { directions, hint } = await readDirections(path);
      const width = directions.values().next().value!.length;
      const notes = ['direction.N is block N'];
      if (hint !== undefined) notes.push(`made for ${hint}, as the file says`);
      return { rows: directions, width, notes };
    }
  }
}

function checkLayer(layer: number | undefined, { name, layers }: ModelIdentity): void {
  if (layer !== undefined && layer >= layers)
    throw new PersonaError('USAGE', `--layer ${layer}: ${name} has layers 0 to ${layers - 1}`);
}

function isDirection(row: Float32Array | undefined): boolean {
  return row !== undefined && norm(row) > 0;
}

/** blocks([0, 5, 6, 7]) = 'blocks 0, 5–7' */
export function blocks(list: readonly number[]): string {
  const parts: string[] = [];
  for (let i = 0; i < list.length; i++) {
    const first = list[i]!;
    while (list[i + 1] === list[i]! + 1) i++;
    parts.push(list[i] === first ? String(first) : `${first}–${list[i]}`);
  }
  return `${list.length === 1 ? 'block' : 'blocks'} ${parts.join(', ')}`;
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  try {
    for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) hash.update(chunk);
  } catch (error) {
    throw fileProblem('read', path, error);
  }
  return hash.digest('hex');
}
