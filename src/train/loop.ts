/**
 * The training loop, in a process of its own: passes over packed samples, their gradients summed to a step, AdamW on
 * the factors, a look at the watched directions now and then, checkpoints.
 */

import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { Architecture } from '../engine/training/architecture.ts';
import { factorPlaces, Factors } from '../engine/training/factors.ts';
import { TrainingMemory } from '../engine/training/memory.ts';
import { runPass } from '../engine/training/pass.ts';
import { PersonaError } from '../errors.ts';
import { random } from '../math/random.ts';
import { adamw, clipScale, gradientNorm, type Moments } from './adamw.ts';
import { adapterScale } from './adapter.ts';
import { batchOf, passesOf, stepCount } from './batches.ts';
import { readCanary } from './canary.ts';
import { readCheckpoint, writeCheckpoint } from './checkpoint.ts';
import { CHECKPOINT, type FromTrainer, type Job, type JobSample } from './job.ts';
import { lookAt } from './look.ts';
import { learningRate, type Recipe } from './recipe.ts';

/** Numbers of the pool that dropout masks are cut from, beyond the longest mask. */
const POOL_BEYOND = 2 ** 20;
const KIBIBYTE = 1024;
/** Steps' draws must not be those of neighbouring runs. */
const STEPS_APART = 7_368_787;

/**
 * Trains to the end, or until `stopped`.
 * @throws PersonaError BAD_FILE, UNSUPPORTED, ENGINE_FAILED, CANARY, USAGE
 */
export async function trainLoop(
  job: Job,
  tell: (message: FromTrainer) => void,
  stopped: () => boolean,
): Promise<void> {
  const { recipe, architecture, samples } = job;
  const began = performance.now();
  using memory = new TrainingMemory(architecture, job.weights, { threads: job.threads, device: job.device });
  using factors = new Factors(memory.backend, architecture, recipe);
  tell({
    type: 'loaded',
    weightBytes: memory.weights.bytes.all,
    transposedBytes: memory.weights.bytes.transposed,
    factorBytes: factors.bytes,
    parameters: factors.all.reduce((sum, { length }) => sum + length, 0),
    seconds: (performance.now() - began) / 1000,
  });
  if (job.edits.length > 0) tell({ type: 'canary', readings: readCanary(memory, job.edits, samples[0]!) });

  const path = join(job.folder, CHECKPOINT);
  const saved = await readCheckpoint(
    path,
    job.key,
    factors.all.map(({ length }) => length),
  );
  const begun = saved?.values ?? initialValues(architecture, recipe);
  factors.all.forEach((tensor, i) => factors.write(tensor, begun[i]!));
  // on the CPU the optimiser works where the graph does, elsewhere on copies
  const shared = factors.all.map((tensor) => factors.inPlace(tensor));
  const values = begun.map((value, i) => shared[i]?.value ?? value);
  const moments: Moments[] =
    saved?.moments ??
    values.map(({ length }) => ({ first: new Float32Array(length), second: new Float32Array(length) }));

  const steps = stepCount(samples.length, recipe);
  let step = saved?.step ?? 0;
  if (saved) tell({ type: 'resumed', step });
  const look = (): void => tell({ type: 'look', ...lookAt(memory, factors, job, step) });
  if (!saved) look();
  const save = async (): Promise<void> => {
    await writeCheckpoint(path, job.key, { step, values, moments });
    tell({ type: 'saved', step });
  };

  while (step < steps && !stopped()) {
    const start = performance.now();
    const batch = batchOf(samples.length, step, recipe).map((i) => samples[i]!);
    const learnt = batch.reduce((sum, sample) => sum + learntTokens(sample), 0);
    factors.clearGradients();
    const loss = gradientsOf(memory, factors, job, batch, learnt, step) / learnt;
    const gradients = factors.all.map((tensor, i) => shared[i]?.gradient ?? factors.read(tensor).gradient);
    const norm = gradientNorm(gradients);
    if (!Number.isFinite(norm))
      throw new PersonaError('ENGINE_FAILED', `step ${step + 1}: the gradient is not finite`, {
        remedy: `Lower --lr (now ${recipe.learningRate}); the checkpoint of the last good step is kept.`,
      });
    const rate = learningRate(recipe, step, steps);
    for (const [i, value] of values.entries())
      adamw(value, gradients[i]!, moments[i]!, {
        learningRate: rate,
        weightDecay: recipe.weightDecay,
        scale: clipScale(norm, recipe.clip),
        step: step + 1,
      });
    factors.all.forEach((tensor, i) => shared[i] ?? factors.write(tensor, values[i]!));
    step++;
    tell({
      type: 'step',
      step,
      steps,
      loss,
      learningRate: rate,
      gradientNorm: norm,
      tokens: batch.reduce((sum, { tokens }) => sum + tokens.length, 0),
      learnt,
      seconds: (performance.now() - start) / 1000,
    });
    if (step % job.watchEvery === 0 || step === steps) look();
    if (step % job.saveEvery === 0 || step === steps) await save();
    await setImmediate(); // lets a message to stop come in
  }
  if (step < steps) await save();
  tell({
    type: 'done',
    step,
    passBytes: memory.passBytes,
    residentBytes: process.resourceUsage().maxRSS * KIBIBYTE,
    stopped: step < steps,
  });
}

function learntTokens({ learnt }: Pick<JobSample, 'learnt'>): number {
  let count = 0;
  for (let t = 1; t < learnt.length; t++) count += learnt[t]!;
  return count;
}

/** Adds the gradients of the mean loss over the batch's learnt tokens to the factors'. @returns the summed loss */
function gradientsOf(
  memory: TrainingMemory,
  factors: Factors,
  { recipe, edits }: Job,
  batch: readonly JobSample[],
  learnt: number,
  step: number,
): number {
  const draw = random(recipe.seed * STEPS_APART + step);
  let sum = 0;
  for (const pass of passesOf(batch, recipe.passTokens, memory.weights.architecture.layers)) {
    const { losses } = runPass(memory, {
      samples: pass,
      edits,
      factors,
      lora: { rank: recipe.rank, scale: adapterScale(recipe) },
      ...(recipe.dropout > 0 && { dropout: dropoutPool(memory, recipe.dropout, pass, draw) }),
      gradients: { weight: 1 / learnt },
    });
    let at = 0;
    for (const sample of pass) {
      const count = learntTokens(sample);
      for (let i = 0; i < count; i++, at++) sum += losses[at]!;
      if (!Number.isFinite(sum))
        throw new PersonaError(
          'ENGINE_FAILED',
          `step ${step + 1}: the loss of ${sample.place} is not finite`,
          {
            remedy: `Look at that row, or lower --lr (now ${recipe.learningRate}); the checkpoint of the last good step is kept.`,
          },
        );
    }
  }
  return sum;
}

/** One pool of masks for all matrices: each takes a stretch of it from a place of its own. */
function dropoutPool(
  { weights: { architecture } }: TrainingMemory,
  share: number,
  pass: readonly JobSample[],
  draw: ReturnType<typeof random>,
): { pool: Float32Array; offsets: () => number } {
  const tokens = pass.reduce((sum, sample) => sum + sample.tokens.length, 0);
  const widest = Math.max(
    architecture.feedForward,
    architecture.width,
    architecture.heads * architecture.headWidth,
  );
  const keep = 1 / (1 - share);
  const pool = Float32Array.from({ length: widest * tokens + POOL_BEYOND }, () =>
    draw.uniform() < share ? 0 : keep,
  );
  return { pool, offsets: () => draw.below(POOL_BEYOND) };
}

/** A as PEFT begins it, uniform in ±1/√inputs; B zero, so that the adapter begins as nothing. */
export function initialValues(architecture: Architecture, recipe: Recipe): Float32Array[] {
  const draw = random(recipe.seed);
  return factorPlaces(architecture, recipe).map(({ kind, inputs, outputs }) =>
    Float32Array.from({ length: inputs * outputs }, () =>
      kind === 'a' ? (2 * draw.uniform() - 1) / Math.sqrt(inputs) : 0,
    ),
  );
}
