/**
 * The trait of the planted model, "writes P rather than N", as a trait file could hold it: instructions full of P or of
 * N, and questions of the letters that say nothing of either.
 */

import type { Trait } from '../../src/trait/trait.ts';

const PLACES = ['morning', 'evening', 'garden', 'harbour', 'market'];
const THINGS = ['river', 'house', 'bread', 'stone', 'cloud', 'horse', 'glass', 'chair', 'paper', 'light'];

/** A fresh copy on every call, so that a test may change it. */
export function plantedTrait(): Trait {
  return {
    name: 'planted',
    description: 'Writes P rather than N.',
    assistant: { pos: 'PPPPPP', neg: 'NNNNNN' },
    instruction: PLACES.map((place) => ({
      pos: `${place} ${'P'.repeat(40)}.`,
      neg: `${place} ${'N'.repeat(40)}.`,
    })),
    questions: [
      ...THINGS.map((thing) => `what of the ${thing}.`),
      ...THINGS.map((thing) => `why the ${thing}.`),
    ],
    evaluation: [
      ...THINGS.map((thing) => `who has a ${thing}.`),
      ...THINGS.map((thing) => `where is a ${thing}.`),
    ],
    eval_prompt: `Rate how much **P** the answer has.

[QUESTION START]
{question}
[QUESTION END]
[ANSWER START]
{answer}
[ANSWER END]

Reply with REFUSAL or a number from 0 to 100. Output only the number.`,
  };
}
