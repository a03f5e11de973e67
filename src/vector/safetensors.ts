/**
 * Vectors as safetensors: a tensor `directions` [layers, d] whose row b is block b, beside it `residual_norms` and the
 * baseline, and in `__metadata__` what our GGUF files keep in their keys `persona.*`, under the same names.
 */

import type { z } from 'zod';
import { PersonaError } from '../errors.ts';
import { checkJson } from '../files/check-json.ts';
import { version } from '../files/package-version.ts';
import {
  readSafetensor,
  type Safetensors,
  type SafetensorToWrite,
  writeSafetensors,
} from '../files/safetensors.ts';
import { isMeanKind, MEAN_KINDS, modelSchema, qualitySchema, recipeSchema } from './schema.ts';
import type { Baseline, PersonaVector } from './vector.ts';

/** Raised when the meaning of a `persona.*` key changes. */
const FORMAT = '1';

export async function writeVectorSafetensors(path: string, vector: PersonaVector): Promise<void> {
  const { model, layer, coefficient, residualNorms, baseline } = vector;
  const metadata: Record<string, string> = {
    format: 'persona-vector',
    'persona.format': FORMAT,
    'persona.version': vector.version,
    'persona.trait': vector.trait,
    'persona.kind': vector.kind,
    'persona.model': JSON.stringify(model),
    'persona.recipe': JSON.stringify(vector.recipe),
    'persona.quality': JSON.stringify(vector.quality),
  };
  if (layer !== undefined) metadata['persona.layer'] = String(layer);
  if (coefficient !== undefined) metadata['persona.coefficient'] = String(coefficient);
  if (baseline) metadata['persona.baseline.answers'] = String(baseline.answers);
  const tensors: SafetensorToWrite[] = [
    { name: 'directions', shape: [model.layers, model.width], data: vector.directions },
  ];
  const perLayer = (name: string, data: Float32Array): void =>
    void tensors.push({ name, shape: [model.layers], data });
  if (residualNorms) perLayer('residual_norms', residualNorms);
  if (baseline) {
    perLayer('baseline.mean', baseline.mean);
    perLayer('baseline.deviation', baseline.deviation);
    perLayer('baseline.token_deviation', baseline.tokenDeviation);
  }
  await writeSafetensors(path, tensors, metadata);
}

export function isOurs(file: Safetensors): boolean {
  return file.metadata.has('persona.trait');
}

/** @throws PersonaError BAD_VECTOR or BAD_FILE naming file and field */
export async function readVectorSafetensors(file: Safetensors): Promise<PersonaVector> {
  const { path, metadata } = file;
  const bad = (what: string): PersonaError => new PersonaError('BAD_VECTOR', `${path}: ${what}`);
  const text = (key: string): string => {
    const value = metadata.get(key);
    if (value === undefined) throw bad(`${key} is absent`);
    return value;
  };
  const json = <T>(key: string, schema: z.ZodType<T>): T =>
    checkJson(text(key), `${path}: ${key}`, schema, 'BAD_VECTOR');
  const number = (key: string): number | undefined => {
    const value = metadata.get(key);
    if (value === undefined) return undefined;
    if (value.trim() === '' || !Number.isFinite(Number(value))) throw bad(`${key} is ${value.slice(0, 40)}`);
    return Number(value);
  };
  const tensor = async (name: string, shape: readonly number[]): Promise<Float32Array> => {
    const found = file.tensors.get(name)?.shape;
    if (found?.join() !== shape.join())
      throw bad(`${name} has the shape [${found?.join(', ') ?? 'absent'}], expected [${shape.join(', ')}]`);
    return await readSafetensor(file, name);
  };

  if (text('persona.format') !== FORMAT)
    throw bad(`persona.format is ${text('persona.format')}, this version reads ${FORMAT}`);
  const model = json('persona.model', modelSchema);
  const kind = text('persona.kind');
  if (!isMeanKind(kind)) throw bad(`persona.kind is ${kind}, not one of ${MEAN_KINDS.join(', ')}`);
  const layer = number('persona.layer');
  if (layer !== undefined && !(Number.isInteger(layer) && layer >= 0 && layer < model.layers))
    throw bad(`persona.layer is ${layer}, of ${model.layers} layers`);
  const coefficient = number('persona.coefficient');
  const answers = number('persona.baseline.answers');
  const baseline: Baseline | undefined =
    answers === undefined
      ? undefined
      : {
          mean: await tensor('baseline.mean', [model.layers]),
          deviation: await tensor('baseline.deviation', [model.layers]),
          tokenDeviation: await tensor('baseline.token_deviation', [model.layers]),
          answers,
        };
  return {
    trait: text('persona.trait'),
    kind,
    model,
    directions: await tensor('directions', [model.layers, model.width]),
    ...(file.tensors.has('residual_norms')
      ? { residualNorms: await tensor('residual_norms', [model.layers]) }
      : {}),
    ...(baseline ? { baseline } : {}),
    ...(layer === undefined ? {} : { layer }),
    ...(coefficient === undefined ? {} : { coefficient }),
    recipe: json('persona.recipe', recipeSchema),
    quality: json('persona.quality', qualitySchema),
    version: metadata.get('persona.version') ?? version,
  };
}
