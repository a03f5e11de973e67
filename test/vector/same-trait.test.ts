import { expect, test } from 'vitest';
import type { Trait } from '../../src/trait/trait.ts';
import { isSameTrait } from '../../src/vector/calibration-of.ts';
import { plantedTrait } from '../support/planted-trait.ts';

const trait = plantedTrait();

test.each<[string, Partial<Trait>]>([
  ['graded steps, which came later than the first vectors', { graded: ['a', 'b', 'c', 'd', 'e', 'f'] }],
  ['a rubric', { eval_prompt: 'another' }],
  ['a description', { description: 'another' }],
  ['evaluation questions', { evaluation: ['another?'] }],
])('the scale of a trait outlives %s', (_what, change) => {
  expect(isSameTrait(trait, { ...trait, ...change })).toBe(true);
});

test.each<[string, Partial<Trait>]>([
  ['adjective, which begins each instruction', { assistant: { pos: 'P', neg: 'N' } }],
  ['instruction', { instruction: trait.instruction.with(4, { pos: 'P', neg: 'N' }) }],
  ['question', { questions: trait.questions.with(19, 'another?') }],
])('another %s needs another scale', (_what, change) => {
  expect(isSameTrait(trait, { ...trait, ...change })).toBe(false);
});
