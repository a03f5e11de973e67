/** How a model is trained: the numbers that, with the data, decide what comes out. */

import { TARGETS, type Target } from '../engine/training/architecture.ts';
import { PersonaError } from '../errors.ts';

export type Schedule = 'linear' | 'cosine' | 'constant';

export interface Recipe {
  rank: number;
  alpha: number;
  /** scale alpha / √rank instead of alpha / rank */
  rslora: boolean;
  /** share of the factors' inputs that is dropped, anew at each pass */
  dropout: number;
  targets: readonly Target[];
  learningRate: number;
  schedule: Schedule;
  /** steps over which the rate rises from 0 */
  warmup: number;
  weightDecay: number;
  /** longest gradient, of all factors together; Infinity: not cut */
  clip: number;
  /** samples of one step */
  batch: number;
  epochs: number;
  /** tokens of one sample; longer ones are cut at the end */
  maxLength: number;
  /**
   * tokens computed together: a step of more takes several passes, to the same result within rounding. On two cores 256,
   * 512 and 1024 are equally fast; memory grows with it
   */
  passTokens: number;
  seed: number;
}

/** The paper's (§8.2 of its training code): one epoch of some thousand rows at a small rate. */
export const PAPER: Recipe = {
  rank: 32,
  alpha: 64,
  rslora: true,
  dropout: 0,
  targets: TARGETS,
  learningRate: 1e-5,
  schedule: 'linear',
  warmup: 5,
  weightDecay: 0.01,
  clip: 1,
  batch: 16,
  epochs: 1,
  maxLength: 2048,
  passTokens: 512,
  seed: 0,
};

/**
 * Rows below which the paper's recipe would hardly move a model: under a hundred steps at 1e-5. With fewer, what a
 * hundred or two rows were seen to teach a small model: a higher rate, smaller batches, two epochs, thinner factors.
 */
export const FEW_ROWS = 1600;
const FEW = { rank: 16, alpha: 32, learningRate: 2e-4, batch: 8, epochs: 2 } satisfies Partial<Recipe>;

/** @param given what the user wants otherwise @returns also, in words, where few rows made it another than the paper's */
export function recipeFor(
  rows: number,
  given: Partial<Recipe> = {},
): { recipe: Recipe; note: string | undefined } {
  if (rows >= FEW_ROWS) return { recipe: { ...PAPER, ...given }, note: undefined };
  const changed = Object.entries({
    learningRate: 'learning rate',
    epochs: 'epochs',
    batch: 'rows a batch',
    rank: 'rank',
    alpha: 'alpha',
  } as const).filter(([field]) => given[field as keyof Recipe] === undefined);
  const words = changed.map(([field, name]) => {
    const key = field as keyof typeof FEW & keyof Recipe;
    return `${name} ${String(FEW[key])} instead of ${String(PAPER[key])}`;
  });
  return {
    recipe: { ...PAPER, ...FEW, ...given },
    note: words.length === 0 ? undefined : `${rows} rows are few for the paper's recipe: ${words.join(', ')}`,
  };
}

/** @throws PersonaError USAGE naming the field */
export function checkRecipe(recipe: Recipe): void {
  const fail = (field: string, expected: string, got: unknown): never => {
    throw new PersonaError('USAGE', `${field}: expected ${expected}, got ${String(got)}`);
  };
  const whole = (field: keyof Recipe, least: number): void => {
    const value = recipe[field];
    if (!Number.isSafeInteger(value) || (value as number) < least)
      fail(field, `a whole number of at least ${least}`, value);
  };
  whole('rank', 1);
  whole('warmup', 0);
  whole('batch', 1);
  whole('epochs', 1);
  whole('maxLength', 2);
  whole('passTokens', 1);
  whole('seed', 0);
  for (const field of ['alpha', 'learningRate', 'clip'] as const)
    if (!(recipe[field] > 0)) fail(field, 'a number above 0', recipe[field]);
  if (!(recipe.weightDecay >= 0)) fail('weightDecay', 'a number of at least 0', recipe.weightDecay);
  if (!(recipe.dropout >= 0 && recipe.dropout < 1))
    fail('dropout', 'a share from 0 to below 1', recipe.dropout);
  if (recipe.targets.length === 0) fail('targets', `some of ${TARGETS.join(', ')}`, 'none');
}

/** The learning rate of step `step` of `steps`, counted from 0: rises from 0 over the warm-up, then falls to 0. */
export function learningRate(
  { learningRate: peak, schedule, warmup }: Pick<Recipe, 'learningRate' | 'schedule' | 'warmup'>,
  step: number,
  steps: number,
): number {
  if (step < warmup) return (peak * step) / warmup;
  if (schedule === 'constant') return peak;
  const gone = (step - warmup) / Math.max(1, steps - warmup);
  return schedule === 'linear' ? peak * Math.max(0, 1 - gone) : (peak * (1 + Math.cos(Math.PI * gone))) / 2;
}
