/** What we promise of the traits that we ship, beyond the rules that hold for everyone's. */

import { describe, expect, it } from 'vitest';
import { checkTrait } from '../../src/trait/check.ts';
import { listTraits, loadTrait } from '../../src/trait/load.ts';

const traits = await Promise.all((await listTraits()).map(loadTrait));

describe.each(traits)('$name', (trait) => {
  const questions = [...trait.questions, ...trait.evaluation];

  it('passes every check without a warning', () => {
    expect(checkTrait(trait)).toEqual({ errors: [], warnings: [] });
  });

  it('is called like its file', async () => {
    expect((await loadTrait(trait.name)).name).toBe(trait.name);
  });

  it('has sides of equal length, so that the vector carries none', () => {
    const pos = trait.instruction.reduce((sum, pair) => sum + pair.pos.length, 0);
    const neg = trait.instruction.reduce((sum, pair) => sum + pair.neg.length, 0);
    expect(Math.abs(pos - neg) / Math.min(pos, neg)).toBeLessThan(0.15);
  });

  it('keeps instructions to two short sentences, which the smallest models can follow', () => {
    for (const text of trait.instruction.flatMap(({ pos, neg }) => [pos, neg])) {
      expect(text.split(' ').length, text).toBeLessThanOrEqual(22);
      expect(text.match(/[.!?](?= |$)/g)!.length, text).toBeLessThanOrEqual(2);
    }
  });

  it('has instructions of the same form: as many words on both sides, give or take two', () => {
    for (const { pos, neg } of trait.instruction) {
      expect(Math.abs(pos.split(' ').length - neg.split(' ').length), pos).toBeLessThanOrEqual(2);
    }
  });

  it('has six graded steps of similar length, each of one or two sentences', () => {
    const lengths = trait.graded!.map((step) => step.length);
    expect(lengths).toHaveLength(6);
    expect(Math.max(...lengths) / Math.min(...lengths)).toBeLessThan(1.5);
    for (const step of trait.graded!)
      expect(step.match(/[.!?](?= |$)/g)!.length, step).toBeLessThanOrEqual(2);
  });

  it('asks in 8 to 20 words', () => {
    for (const text of questions) {
      expect(text.split(' ').length, text).toBeGreaterThanOrEqual(8);
      expect(text.split(' ').length, text).toBeLessThanOrEqual(20);
    }
  });

  it('has a rubric of the usual size that names the trait', () => {
    expect(trait.eval_prompt.length).toBeGreaterThanOrEqual(600);
    expect(trait.eval_prompt.length).toBeLessThanOrEqual(900);
    expect(trait.eval_prompt).toContain(`**${trait.name}**`);
  });
});

it('no graded step serves two traits', () => {
  const all = traits.flatMap((trait) => trait.graded!);
  expect(new Set(all).size).toBe(all.length);
});

it('no question serves two traits', () => {
  const all = traits.flatMap((trait) => [...trait.questions, ...trait.evaluation]);
  expect(new Set(all).size).toBe(all.length);
});
