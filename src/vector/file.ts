/**
 * Vector files: llama.cpp's control vector (GGUF, architecture `controlvector`, one f32 tensor `direction.b` per
 * block), with everything of ours beside it in metadata keys `persona.*`, which llama.cpp passes over. Its loader
 * refuses a `direction.0`, so block 0's row lies in `persona.direction_0`.
 */

import type { z } from 'zod';
import { PersonaError } from '../errors.ts';
import { checkJson } from '../files/check-json.ts';
import { version } from '../files/package-version.ts';
import type { ModelIdentity } from '../model/chat-model.ts';
import { elementCount, ggufNumber, ggufString, type Gguf, type GgufValue } from '../model/gguf.ts';
import { readGguf, readTensor } from '../model/gguf-read.ts';
import { writeGguf } from '../model/gguf-write.ts';
import { isMeanKind, MEAN_KINDS, modelSchema, qualitySchema, recipeSchema } from './schema.ts';
import { direction, type Baseline, type PersonaVector } from './vector.ts';

const ARCHITECTURE = 'controlvector';
/** Raised when the meaning of a `persona.*` key changes. */
const FORMAT = 1;
const floats = (items: Float32Array): GgufValue => ({ type: 'array', of: 'f32', items });
const text = (value: string): GgufValue => ({ type: 'string', value });
const u32 = (value: number): GgufValue => ({ type: 'u32', value });

/** Writes the vector whole: a killed process leaves the old file or the new one. */
export async function writeVector(path: string, vector: PersonaVector): Promise<void> {
  const { model } = vector;
  const metadata: [string, GgufValue][] = [
    ['general.architecture', text(ARCHITECTURE)],
    ['controlvector.model_hint', text(model.architecture)],
    ['controlvector.layer_count', u32(model.layers - 1)],
    ['persona.format', u32(FORMAT)],
    ['persona.version', text(vector.version)],
    ['persona.trait', text(vector.trait)],
    ['persona.kind', text(vector.kind)],
    ['persona.model', text(JSON.stringify(model))],
    ['persona.recipe', text(JSON.stringify(vector.recipe))],
    ['persona.quality', text(JSON.stringify(vector.quality))],
    ['persona.direction_0', floats(direction(vector, 0))],
  ];
  if (vector.layer !== undefined) metadata.push(['persona.layer', u32(vector.layer)]);
  if (vector.coefficient !== undefined)
    metadata.push(['persona.coefficient', { type: 'f64', value: vector.coefficient }]); // 0.1 stays 0.1
  if (vector.residualNorms) metadata.push(['persona.residual_norms', floats(vector.residualNorms)]);
  if (vector.baseline) {
    metadata.push(
      ['persona.baseline.mean', floats(vector.baseline.mean)],
      ['persona.baseline.deviation', floats(vector.baseline.deviation)],
      ['persona.baseline.token_deviation', floats(vector.baseline.tokenDeviation)],
      ['persona.baseline.answers', u32(vector.baseline.answers)],
    );
  }
  const tensors = Array.from({ length: model.layers - 1 }, (_, i) => ({
    name: `direction.${i + 1}`,
    shape: [model.width],
    type: 'F32' as const,
    data: direction(vector, i + 1),
  }));
  await writeGguf({ path, metadata, tensors });
}

/**
 * Reads a vector file of ours. Files of other tools lack the keys that make a vector safe to use.
 * @throws PersonaError BAD_VECTOR or BAD_FILE naming file and field
 */
export async function readVector(path: string): Promise<PersonaVector> {
  const file = await readGguf(path);
  if (ggufString(file, 'general.architecture') !== ARCHITECTURE) {
    throw new PersonaError(
      'BAD_VECTOR',
      `${path}: general.architecture is ${ggufString(file, 'general.architecture') ?? 'absent'}, not ${ARCHITECTURE}: this is no vector`,
    );
  }
  const trait = ggufString(file, 'persona.trait');
  if (trait === undefined) {
    throw new PersonaError(
      'BAD_VECTOR',
      `${path}: persona.trait is absent: a control vector, but not one of this product`,
      {
        remedy: 'use it with --control-vector or --control-vector-scaled, which take any control vector',
      },
    );
  }
  const format = ggufNumber(file, 'persona.format');
  if (format !== FORMAT) {
    throw new PersonaError(
      'BAD_VECTOR',
      `${path}: persona.format is ${format}, this version reads ${FORMAT}`,
      { remedy: 'use the version that wrote it, or extract it anew' },
    );
  }
  const model = json(file, 'persona.model', modelSchema);
  const { layers, width } = model;
  const first = floatArray(file, 'persona.direction_0', width);
  for (let b = 1; b < layers; b++) checkRow(file, b, model); // before room is made for what the model is said to be
  const directions = new Float32Array(layers * width);
  directions.set(first, 0);
  for (let b = 1; b < layers; b++) directions.set(await readTensor(file, `direction.${b}`), b * width);
  const at = directions.findIndex((x) => !Number.isFinite(x));
  if (at >= 0)
    throw new PersonaError(
      'BAD_VECTOR',
      `${path}: direction.${Math.floor(at / width)} holds a value that is not finite, at ${at % width}`,
    );

  const layer = ggufNumber(file, 'persona.layer');
  if (layer !== undefined && !(Number.isInteger(layer) && layer >= 0 && layer < layers))
    throw new PersonaError('BAD_VECTOR', `${path}: persona.layer is ${layer}, of ${layers} layers`);
  const coefficient = ggufNumber(file, 'persona.coefficient');
  if (coefficient !== undefined && !Number.isFinite(coefficient))
    throw new PersonaError('BAD_VECTOR', `${path}: persona.coefficient is ${coefficient}`);
  const kind = ggufString(file, 'persona.kind') ?? 'absent';
  if (!isMeanKind(kind))
    throw new PersonaError(
      'BAD_VECTOR',
      `${path}: persona.kind is ${kind}, not one of ${MEAN_KINDS.join(', ')}`,
    );
  const baseline = readBaseline(file, layers);
  return {
    trait,
    kind,
    model,
    directions,
    ...(file.metadata.has('persona.residual_norms')
      ? { residualNorms: floatArray(file, 'persona.residual_norms', layers) }
      : {}),
    ...(baseline ? { baseline } : {}),
    ...(layer === undefined ? {} : { layer }),
    ...(coefficient === undefined ? {} : { coefficient }),
    recipe: json(file, 'persona.recipe', recipeSchema),
    quality: json(file, 'persona.quality', qualitySchema),
    version: ggufString(file, 'persona.version') ?? version,
  };
}

function checkRow(file: Gguf, b: number, { layers, width }: ModelIdentity): void {
  const name = `direction.${b}`;
  const tensor = file.tensors.get(name);
  if (!tensor) throw new PersonaError('BAD_VECTOR', `${file.path}: ${name} is missing (${layers} layers)`);
  const found = elementCount(tensor.shape);
  if (found !== width)
    throw new PersonaError(
      'BAD_VECTOR',
      `${file.path}: ${name} has width ${found}, persona.model says ${width}`,
    );
}

function readBaseline(file: Gguf, layers: number): Baseline | undefined {
  if (!file.metadata.has('persona.baseline.mean')) return undefined;
  return {
    mean: floatArray(file, 'persona.baseline.mean', layers),
    deviation: floatArray(file, 'persona.baseline.deviation', layers),
    tokenDeviation: floatArray(file, 'persona.baseline.token_deviation', layers),
    answers: ggufNumber(file, 'persona.baseline.answers') ?? 0,
  };
}

function floatArray(file: Gguf, key: string, length: number): Float32Array {
  const value = file.metadata.get(key);
  if (value?.type !== 'array' || value.of !== 'f32' || value.items.length !== length) {
    throw new PersonaError('BAD_VECTOR', `${file.path}: ${key} must be ${length} numbers (f32)`);
  }
  const at = value.items.findIndex((x) => !Number.isFinite(x));
  if (at >= 0)
    throw new PersonaError('BAD_VECTOR', `${file.path}: ${key} holds a value that is not finite, at ${at}`);
  return value.items;
}

function json<T>(file: Gguf, key: string, schema: z.ZodType<T>): T {
  const written = ggufString(file, key);
  if (written === undefined) throw new PersonaError('BAD_VECTOR', `${file.path}: ${key} is absent`);
  return checkJson(written, `${file.path}: ${key}`, schema, 'BAD_VECTOR');
}
