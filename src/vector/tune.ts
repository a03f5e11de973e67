/** Finds where and how much to steer, by steering: first the layer at two equal doses, then the coefficient there. */

import { z } from 'zod';
import { PersonaError } from '../errors.ts';
import type { Judge } from '../judge/judge.ts';
import type { ChatModel } from '../model/chat-model.ts';
import type { Progress } from '../model/progress.ts';
import type { Trait } from '../trait/trait.ts';
import { chooseCoefficient, chooseLayer } from './choose.ts';
import { completeLog } from './complete-log.ts';
import { summarise, type Dose, type SteeredAnswer } from './dose.ts';
import { isSettled } from './score.ts';
import { addAt, cellKey, planSweep, sweep, type Steer, type SweepCell, type SweepOptions } from './sweep.ts';

export interface TuneOptions {
  layers: readonly number[];
  /** the dose, up and down, at which layers are compared */
  layerDose: number;
  /** questions for comparing layers, and for the coefficients (of those the vector was extracted with: the
   *  evaluation questions stay unseen) */
  layerQuestions: number;
  coefficients: readonly number[];
  questions: number;
  samples: number;
  temperature: number;
  judgePairs: number;
}

export interface Tuned {
  layer: number;
  why: string;
  coefficient: number | undefined;
  layerDoses: Dose[];
  doses: Dose[];
}

export interface TuneContext extends TuneOptions {
  maxTokens: number;
  seed: number;
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: Progress) => void) | undefined;
}

export const judgementSchema: z.ZodObject<{
  trait: z.ZodNullable<z.ZodNumber>;
  coherence: z.ZodNullable<z.ZodNumber>;
  reason: z.ZodOptional<z.ZodString>;
}> = z.object({
  trait: z.number().nullable(),
  coherence: z.number().nullable(),
  reason: z.string().optional(),
});

const steeredSchema = z.object({
  variant: z.string().optional(),
  layer: z.int(),
  coefficient: z.number(),
  question: z.string(),
  questionIndex: z.int(),
  sample: z.int(),
  answer: z.string(),
  ...judgementSchema.shape,
  others: z.record(z.string(), judgementSchema).optional(),
}) as z.ZodType<SteeredAnswer>;

export interface GridContext extends SweepOptions {
  onProgress?: ((progress: Progress) => void) | undefined;
}

/**
 * Asks and judges the cells; answers in their order.
 * @param path sweep.jsonl; answers it holds are not asked again
 * @param label what this is, for people who wait
 */
export async function runGrid(
  model: ChatModel,
  steer: Steer,
  judges: readonly [Judge, ...Judge[]],
  path: string,
  label: string,
  cells: readonly SweepCell[],
  context: GridContext,
): Promise<SteeredAnswer[]> {
  const answers = await completeLog<SweepCell, SteeredAnswer>(path, {
    schema: steeredSchema,
    keyOf: cellKey,
    counts: isJudged,
    items: cells,
    make: (missing) => sweep(model, steer, judges, missing, context),
    label,
    unit: 'answers',
    onProgress: context.onProgress,
  });
  return cells.map((cell, i) => ({ ...answers[i]!, ...cell }));
}

/** By all of the judges. */
export function isJudged(answer: Pick<SteeredAnswer, 'trait' | 'coherence' | 'reason' | 'others'>): boolean {
  return [answer, ...Object.values(answer.others ?? {})].every(isSettled);
}

/** @throws PersonaError USAGE naming the layers that the model does not have: before hours of asking, not after */
export function checkLayers(layers: readonly number[], model: ChatModel): void {
  const count = model.identity.layers;
  const missing = layers.filter((layer) => layer < 0 || layer >= count);
  if (layers.length > 0 && missing.length === 0) return;
  const what = layers.length === 0 ? 'no layer to steer at' : `no layer ${missing.join(', ')}`;
  throw new PersonaError('USAGE', `${what} in a model of ${count} layers`, {
    remedy: `layers count from 0: give some of 0-${count - 1} (--layers)`,
  });
}

/** @param path sweep.jsonl; answers it holds are not asked again */
export async function tune(
  model: ChatModel,
  trait: Trait,
  directions: Float32Array, // (layers × d)
  judges: readonly [Judge, ...Judge[]],
  path: string,
  context: TuneContext,
): Promise<Tuned> {
  const questions = trait.questions.map((question, questionIndex) => ({ question, questionIndex }));
  const { layers, layerDose, coefficients, samples } = context;
  const run = async (label: string, cells: readonly SweepCell[]): Promise<Dose[]> => {
    return summarise(
      await runGrid(model, addAt(directions, model.identity.width), judges, path, label, cells, context),
    );
  };
  const compared = questions.slice(0, context.layerQuestions);
  const layerDoses = await run(
    'comparing layers',
    planSweep(layers, [-layerDose, 0, layerDose], compared, samples),
  );
  const steered = layerDoses.filter((dose) => dose.coefficient !== 0);
  const { layer, why } = chooseLayer(
    steered,
    layerDoses.find((dose) => dose.coefficient === 0)!,
  );

  const grid = [...new Set([...coefficients, 0])];
  const doses = await run(
    `steering at layer ${layer}`,
    planSweep([layer], grid, questions.slice(0, context.questions), samples),
  );
  return { layer, why, coefficient: chooseCoefficient(doses), layerDoses: steered, doses };
}
