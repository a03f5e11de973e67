/** The sentiment lexicon VADER as an outside scorer: it knows nothing of models, prompts or vectors. */

import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { deviation, mean } from '../src/math/statistics.ts';

/** Compound scores, −1 … 1, in the order of the texts. `PY` names a Python that has vaderSentiment. */
export async function sentiments(texts: readonly string[]): Promise<number[]> {
  const child = spawn(process.env.PY ?? 'python3', [fileURLToPath(new URL('vader.py', import.meta.url))], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  child.stdin.end(texts.map((line) => `${JSON.stringify(line)}\n`).join(''));
  const scores = (await text(child.stdout)).trim().split('\n').map(Number);
  if (scores.length !== texts.length || scores.some(Number.isNaN))
    throw new Error(
      `vader.py scored ${scores.length} of ${texts.length} texts; PY must name a Python with vaderSentiment`,
    );
  return scores;
}

export interface Summary {
  mean: number;
  /** of the mean */
  error: number;
}

export function summary(scores: readonly number[]): Summary {
  return { mean: mean(scores), error: deviation(scores) / Math.sqrt(scores.length) };
}

/** shown({ mean: 0.5, error: 0.04 }) = '+0.50 ± 0.04' */
export function shown({ mean: center, error }: Summary): string {
  return `${center < 0 ? '−' : '+'}${Math.abs(center).toFixed(2)} ± ${error.toFixed(2)}`;
}
