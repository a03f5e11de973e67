/**
 * The refusal direction of a model: what it does when it declines, minus when it obliges, on harmless requests. Made
 * once per model from few and short answers, without a judge, to be held against other vectors (paper §13.2).
 */

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { version } from '../../files/package-version.ts';
import type { ChatModel } from '../../model/chat-model.ts';
import { homeFolder } from '../../model/home.ts';
import { askRollouts } from '../../rollout/ask.ts';
import { planRollouts } from '../../rollout/plan.ts';
import { loadTrait } from '../../trait/load.ts';
import { addRollout, finishDifference, startDifference } from '../difference.ts';
import { isFile } from '../find.ts';
import { readVector, writeVector } from '../file.ts';
import type { PersonaVector } from '../vector.ts';

const QUESTIONS = 8;
const PAIRS = 2;
/** A refusal shows in the first words. */
const MAX_TOKENS = 24;

/** Answers it takes, where it is not known yet. */
export const REFUSAL_ANSWERS: number = QUESTIONS * PAIRS * 2;

export interface RefusalDirectionOptions {
  seed: number;
  signal?: AbortSignal | undefined;
  onProgress?: ((done: number, total: number) => void) | undefined;
}

/** undefined where the model gives no answers of both kinds. */
export async function refusalVector(
  model: ChatModel,
  options: RefusalDirectionOptions,
): Promise<PersonaVector | undefined> {
  const folder = join(homeFolder(), 'refusal');
  const path = join(folder, `${model.identity.sha256}.gguf`);
  if (isFile(path)) return await readVector(path);
  const trait = await loadTrait('refusal');
  const plan = planRollouts(
    { ...trait, instruction: trait.instruction.slice(0, PAIRS) },
    { questions: QUESTIONS, samples: 1 },
  );
  const { layers, width } = model.identity;
  const difference = startDifference('response_avg', layers * width);
  let done = 0;
  options.onProgress?.(0, plan.length);
  const asked = askRollouts(model, plan, { ...options, maxTokens: MAX_TOKENS, temperature: 0 });
  for await (const { rollout, means } of asked) {
    options.onProgress?.(++done, plan.length);
    if (rollout.side !== 'none' && means.response_avg)
      addRollout(difference, rollout.side, means.response_avg);
  }
  if (difference.counts.pos === 0 || difference.counts.neg === 0) return undefined;
  const vector: PersonaVector = {
    trait: trait.name,
    kind: 'response_avg',
    model: model.identity,
    directions: finishDifference(difference),
    recipe: { created: new Date().toISOString(), questions: QUESTIONS, samples: 1, maxTokens: MAX_TOKENS },
    quality: {},
    version,
  };
  await mkdir(folder, { recursive: true });
  await writeVector(path, vector);
  return vector;
}
