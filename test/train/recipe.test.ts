/** The recipe: the paper's, the one for little data, and what is no recipe. */

import { expect, test } from 'vitest';
import { checkRecipe, FEW_ROWS, PAPER, type Recipe, recipeFor } from '../../src/train/recipe.ts';

test("much data: the paper's; little: another, and it is said what differs", () => {
  expect(recipeFor(FEW_ROWS)).toEqual({ recipe: PAPER, note: undefined });
  const { recipe, note } = recipeFor(160, { rank: 8, batch: 4 });
  expect(recipe).toMatchObject({
    rank: 8,
    batch: 4,
    learningRate: 2e-4,
    epochs: 2,
    alpha: 32,
    clip: PAPER.clip,
  });
  expect(note).toBe(
    "160 rows are few for the paper's recipe: learning rate 0.0002 instead of 0.00001, epochs 2 instead of 1, alpha 32 instead of 64",
  );
  const given = { learningRate: 1, epochs: 1, batch: 1, rank: 1, alpha: 1 };
  expect(recipeFor(160, given).note).toBeUndefined();
});

test.each([
  ['rank', 0],
  ['rank', 1.5],
  ['alpha', 0],
  ['dropout', 1],
  ['dropout', -0.1],
  ['learningRate', NaN],
  ['warmup', -1],
  ['weightDecay', -1],
  ['clip', 0],
  ['batch', 0],
  ['epochs', 0],
  ['maxLength', 1],
  ['passTokens', 0],
  ['seed', 0.5],
  ['targets', []],
] as [keyof Recipe, unknown][])('%s: %s is no recipe', (field, value) => {
  checkRecipe(PAPER);
  expect(() => checkRecipe({ ...PAPER, [field]: value })).toThrow(`${field}: expected`);
});
