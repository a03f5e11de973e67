/** Extractions of the planted trait that take a second or two, and the rows they leave. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Rollout } from '../../src/rollout/rollout.ts';
import type { ExtractOptions } from '../../src/vector/extract.ts';

/** Questions asked. */
export const QUESTIONS = 4;
/** Rollouts under instructions, one sample: each question under ten; there is one more under none. */
export const ASKED: number = 10 * QUESTIONS;

/** Greedy, one sample. */
export const GREEDY: Omit<ExtractOptions, 'run'> = {
  questions: QUESTIONS,
  samples: 1,
  maxTokens: 16,
  seed: 0,
  judgePairs: 2,
  filter: {},
  tune: {
    layers: [1, 2],
    layerDose: 0.2,
    layerQuestions: 2,
    coefficients: [-0.2, 0, 0.1, 0.2],
    questions: 3,
    samples: 1,
    temperature: 0,
    judgePairs: 1,
  },
  evidence: 0,
};

/** Drawn, two samples: answers differ, and some are empty. */
export const DRAWN: typeof GREEDY = { ...GREEDY, samples: 2, tune: { ...GREEDY.tune, temperature: 1 } };

export function rows<T = Rollout>(run: string, file = 'rollouts.jsonl'): T[] {
  const lines = readFileSync(join(run, file), 'utf8').split('\n');
  expect(lines.pop(), `${file} ends with a newline`).toBe('');
  return lines.map((line) => JSON.parse(line) as T);
}
