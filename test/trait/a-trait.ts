/** A small sound trait for tests to break, one field at a time. */

import type { Trait } from '../../src/trait/trait.ts';

/** A fresh copy on every call, so that a test may change it. */
export function aTrait(): Trait {
  return {
    name: 'brave',
    description: 'Faces danger without fear.',
    assistant: { pos: 'brave', neg: 'timid' },
    instruction: ['one', 'two', 'six', 'ten', 'all'].map((word) => ({
      pos: `Face ${word} of the dangers.`,
      neg: `Flee ${word} of the dangers.`,
    })),
    questions: Array.from({ length: 20 }, (_, i) => `What about lion ${i}?`),
    evaluation: Array.from({ length: 20 }, (_, i) => `What about tiger ${i}?`),
    eval_prompt: `Rate how **brave** the answer is.

[QUESTION START]
{question}
[QUESTION END]
[ANSWER START]
{answer}
[ANSWER END]

Reply with REFUSAL or a number from 0 to 100. Output only the number.`,
  };
}
