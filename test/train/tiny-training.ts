/** The trainer's graph on tiny models: what tests of it hold, feed it and compare. */

import { join } from 'node:path';
import { Factors } from '../../src/engine/training/factors.ts';
import { TARGETS, type Target } from '../../src/engine/training/architecture.ts';
import type { LayerEdit } from '../../src/engine/training/edit.ts';
import { TrainingMemory } from '../../src/engine/training/memory.ts';
import { type PassOptions, type PassSample, runPass } from '../../src/engine/training/pass.ts';
import { readGguf } from '../../src/model/gguf-read.ts';
import { architectureOf, weightsOf } from '../../src/train/architecture.ts';
import { noise, noiseArray } from '../tiny/noise.ts';
import { type TinyArchitecture, type TinySizes, writeTinyModel } from '../tiny/tiny-model.ts';

/** Those of the tiny models that can be trained. */
export const ARCHITECTURES = ['llama', 'qwen2', 'qwen3', 'gemma3'] as const;

/** A tiny model in training memory; to be disposed of. */
export async function tinyMemory(
  folder: string,
  architecture: TinyArchitecture,
  {
    threads = 1,
    seed = 1,
    sizes,
    device,
  }: { threads?: number; seed?: number; sizes?: Partial<TinySizes>; device?: 'cpu' | 'gpu' } = {},
): Promise<TrainingMemory> {
  const path = join(folder, `${architecture}-${seed}-${Object.values(sizes ?? {}).join('-')}.gguf`);
  await writeTinyModel({ path, architecture, seed, ...(sizes && { sizes }) });
  const file = await readGguf(path);
  return new TrainingMemory(architectureOf(file), weightsOf(file), { threads, ...(device && { device }) });
}

/** Factors of random numbers, B among them, so that nothing is zero by chance. */
export function randomFactors(
  memory: TrainingMemory,
  { rank, targets = TARGETS, seed = 1 }: { rank: number; targets?: readonly Target[]; seed?: number },
): Factors {
  const factors = new Factors(memory.backend, memory.weights.architecture, { rank, targets });
  const next = noise(seed);
  for (const tensor of factors.all) factors.write(tensor, noiseArray(next, tensor.length, 0.1));
  return factors;
}

/** Any tokens; the first `asked` of a sample are not learnt. */
export function randomSample(length: number, seed: number, asked = 1): PassSample {
  const next = noise(seed);
  const tokens = Int32Array.from({ length }, () => Math.floor(128 * (1 + next() / Math.sqrt(3))));
  return { tokens, learnt: new Uint8Array(length).fill(1, asked) };
}

export function randomUnit(width: number, seed: number): Float32Array {
  const values = noiseArray(noise(seed), width, 1);
  const length = Math.hypot(...values);
  return values.map((x) => x / length);
}

/** A vector is added after block 0, and a direction removed after block 1. */
export function bothEdits(width: number): LayerEdit[] {
  return [
    { layer: 0, add: randomUnit(width, 11).map((x) => 2 * x) },
    { layer: 1, ablate: randomUnit(width, 12) },
  ];
}

/** Σ of the losses in f64. */
export function summedLoss(memory: TrainingMemory, options: PassOptions): number {
  let sum = 0;
  for (const loss of runPass(memory, options).losses) sum += loss;
  return sum;
}
