/** A look at the model between two steps, as it would be used: with its factors, without the edits of training. */

import type { Factors } from '../engine/training/factors.ts';
import type { TrainingMemory } from '../engine/training/memory.ts';
import { runPass } from '../engine/training/pass.ts';
import { dot } from '../math/vector.ts';
import { adapterScale } from './adapter.ts';
import { passesOf } from './batches.ts';
import type { Job, Look } from './job.ts';

export function lookAt(memory: TrainingMemory, factors: Factors, job: Job, step: number): Look {
  const { recipe, held, prompts, watches } = job;
  const lora = { rank: recipe.rank, scale: adapterScale(recipe) };
  const projections = prompts.map(({ tokens }) => {
    const byWatch: number[][] = watches.map(() => []);
    if (watches.length === 0) return byWatch;
    const samples = tokens.map((one) => ({ tokens: one, learnt: new Uint8Array(one.length) }));
    for (const pass of passesOf(samples, recipe.passTokens, job.architecture.layers)) {
      const places = pass.map((sample, i) => ({ sample: i, token: sample.tokens.length - 1 }));
      const { reads } = runPass(memory, {
        samples: pass,
        factors,
        lora,
        loss: false,
        reads: watches.map(({ layer }) => ({ layer, places })),
      });
      watches.forEach(({ direction }, w) => {
        const { length } = direction;
        for (let i = 0; i < pass.length; i++)
          byWatch[w]!.push(dot(reads[w]!.subarray(i * length, (i + 1) * length), direction));
      });
    }
    return byWatch;
  });
  return { step, projections, heldLoss: meanLoss(memory, factors, lora, held, recipe.passTokens) };
}

function meanLoss(
  memory: TrainingMemory,
  factors: Factors,
  lora: { rank: number; scale: number },
  samples: Job['held'],
  passTokens: number,
): number | undefined {
  let [sum, count] = [0, 0];
  for (const pass of passesOf(samples, passTokens, memory.weights.architecture.layers)) {
    const { losses } = runPass(memory, { samples: pass, factors, lora });
    for (const loss of losses) sum += loss;
    count += losses.length;
  }
  return count === 0 ? undefined : sum / count;
}
