/**
 * VADER as a judge, to hold others against it: the sentiment lexicon's compound score, −1 … 1, as 0 … 100.
 *
 *   PY=python persona judge agree runs/optimistic-…/rollouts.jsonl --judge likelihood --judge fn:bench/vader-judge.ts
 */

import { sentiments } from './sentiment.ts';

/** Answers that come together are scored by one Python. */
const TOGETHER_MS = 50;

let waiting: { answer: string; resolve: (score: number) => void; reject: (error: unknown) => void }[] = [];

export default function judge({ answer }: { answer: string }): Promise<number> {
  return new Promise((resolve, reject) => {
    waiting.push({ answer, resolve, reject });
    if (waiting.length === 1) setTimeout(() => void score(), TOGETHER_MS);
  });
}

async function score(): Promise<void> {
  const batch = waiting;
  waiting = [];
  try {
    const scores = await sentiments(batch.map(({ answer }) => answer));
    batch.forEach(({ resolve }, i) => resolve(50 * (1 + scores[i]!)));
  } catch (error) {
    for (const { reject } of batch) reject(error);
  }
}
