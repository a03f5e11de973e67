/** What a training process is given, and what it tells: plain data that goes between the two processes. */

import type { Architecture } from '../engine/training/architecture.ts';
import type { LayerEdit } from '../engine/training/edit.ts';
import type { WeightsFile } from '../engine/training/weights.ts';
import type { Recipe } from './recipe.ts';

export interface JobSample {
  /** `file:line` */
  place: string;
  tokens: Int32Array;
  /** 1 where a token is learnt */
  learnt: Uint8Array;
}

/** A direction that is watched while the model trains. */
export interface JobWatch {
  name: string;
  layer: number;
  /** (d), of length 1 */
  direction: Float32Array;
}

export interface Job {
  architecture: Architecture;
  weights: WeightsFile;
  recipe: Recipe;
  samples: JobSample[];
  /** their loss is measured, and never learnt from */
  held: JobSample[];
  edits: LayerEdit[];
  watches: JobWatch[];
  /** sets of prompts at whose last token the watched directions are read */
  prompts: { name: string; tokens: Int32Array[] }[];
  /** steps between two looks at the watched directions and the held-out loss */
  watchEvery: number;
  /** steps between two checkpoints */
  saveEvery: number;
  /** of the run; holds the checkpoint */
  folder: string;
  /** tells this run from any other */
  key: string;
  /** of the CPU; their number does not change the result: each sum is one thread's, in the same order */
  threads: number;
  device: 'cpu' | 'gpu';
}

/** A look at the model between two steps, without its edits. */
export interface Look {
  step: number;
  /** by prompt set, by watch: one projection a prompt */
  projections: number[][][];
  /** mean loss of what is held out; undefined where nothing is */
  heldLoss: number | undefined;
}

export interface StepDone {
  /** updates done, this one among them */
  step: number;
  steps: number;
  /** mean over the step's learnt tokens, before the update */
  loss: number;
  learningRate: number;
  gradientNorm: number;
  /** tokens computed, learnt ones among them */
  tokens: number;
  learnt: number;
  seconds: number;
}

/** How far an edit that was asked for reached the stream. */
export interface CanaryReading {
  layer: number;
  op: 'add' | 'ablate';
  /** what should be, and what is: the length added along the direction, or what is left along it */
  expected: number;
  got: number;
  /** what a deviation is a share of: the length added, or that of the stream before */
  of: number;
}

export type FromTrainer =
  | {
      type: 'loaded';
      weightBytes: number;
      transposedBytes: number;
      factorBytes: number;
      parameters: number;
      seconds: number;
    }
  | { type: 'canary'; readings: CanaryReading[] }
  /** gone on from a checkpoint */
  | { type: 'resumed'; step: number }
  | ({ type: 'step' } & StepDone)
  | ({ type: 'look' } & Look)
  | { type: 'saved'; step: number }
  /** `residentBytes`: the most that this process has held */
  | { type: 'done'; step: number; passBytes: number; residentBytes: number; stopped: boolean }
  | { type: 'failed'; code: string; message: string; remedy?: string };

export type ToTrainer = { type: 'job'; job: Job } | { type: 'stop' };

/** The file in a run's folder that holds factors and moments. */
export const CHECKPOINT = 'checkpoint.safetensors';
