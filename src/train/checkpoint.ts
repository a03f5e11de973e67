/** Where a run stands: the factors with their moments, whole or not at all, so that a killed run goes on from there. */

import { existsSync } from 'node:fs';
import { PersonaError } from '../errors.ts';
import { readSafetensor, readSafetensors, writeSafetensors, type Safetensors } from '../files/safetensors.ts';
import type { Moments } from './adamw.ts';

export interface CheckpointState {
  /** updates done */
  step: number;
  /** in the factors' fixed order */
  values: Float32Array[];
  moments: Moments[];
}

/** How the factors lie in a checkpoint: 2 since B lies transposed. Part of a run's key. */
export const LAYOUT = 2;

/** @param key what the run is: another recipe, data or model is never gone on with */
export async function writeCheckpoint(path: string, key: string, state: CheckpointState): Promise<void> {
  const tensors = state.values.flatMap((value, i) => {
    const { first, second } = state.moments[i]!;
    return [
      { name: `value.${i}`, shape: [value.length], data: value },
      { name: `first.${i}`, shape: [value.length], data: first },
      { name: `second.${i}`, shape: [value.length], data: second },
    ];
  });
  await writeSafetensors(path, tensors, { key, step: String(state.step) });
}

/**
 * @returns updates done; undefined where there is no checkpoint
 * @throws PersonaError BAD_FILE, USAGE where it belongs to another run
 */
export async function checkpointStep(path: string, key: string): Promise<number | undefined> {
  if (!existsSync(path)) return undefined;
  return stepOf(await readSafetensors(path), key);
}

function stepOf({ path, metadata }: Safetensors, key: string): number {
  if (metadata.get('key') !== key)
    throw new PersonaError('USAGE', `${path} belongs to another run: other data, model or settings`, {
      remedy: 'Give another --run folder, or delete this one.',
    });
  return Number(metadata.get('step'));
}

/**
 * @param lengths of the factors, in their order
 * @returns undefined where there is none
 * @throws PersonaError BAD_FILE, USAGE where it belongs to another run
 */
export async function readCheckpoint(
  path: string,
  key: string,
  lengths: readonly number[],
): Promise<CheckpointState | undefined> {
  if (!existsSync(path)) return undefined;
  const file = await readSafetensors(path);
  const step = stepOf(file, key);
  const read = async (name: string, length: number): Promise<Float32Array> => {
    const data = await readSafetensor(file, name);
    if (data.length !== length)
      throw new PersonaError('BAD_FILE', `${path}: ${name} has ${data.length} numbers, expected ${length}`);
    return data;
  };
  const state: CheckpointState = { step, values: [], moments: [] };
  for (const [i, length] of lengths.entries()) {
    state.values.push(await read(`value.${i}`, length));
    state.moments.push({
      first: await read(`first.${i}`, length),
      second: await read(`second.${i}`, length),
    });
  }
  return state;
}
