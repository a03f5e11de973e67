/** Dose and response: what steering with one coefficient at one layer does to trait and coherence. */

import type { Judgement } from '../judge/judge.ts';
import { bootstrapMean } from '../math/bootstrap.ts';

/** A mean with its 95 % bootstrap interval. */
export interface Estimate {
  mean: number;
  low: number;
  high: number;
  n: number;
}

/** One steering setting, judged. */
export interface Dose {
  /** the way of steering, where several were compared */
  variant?: string;
  layer: number;
  coefficient: number;
  trait: Estimate; // 0–100
  coherence: Estimate; // 0–100
  /** what further judges say of the same answers, by their names */
  others?: Record<string, { trait: Estimate; coherence: Estimate }>;
}

/** One steered answer with its scores: a line of sweep.jsonl. */
export interface SteeredAnswer {
  variant?: string;
  layer: number;
  coefficient: number;
  question: string;
  questionIndex: number;
  sample: number;
  answer: string;
  trait: number | null;
  coherence: number | null;
  reason?: string;
  /** scores of further judges, by their names */
  others?: Record<string, Judgement>;
}

/**
 * Doses in ascending order of layer and coefficient. An answer without a score counts as incoherent (0) and says
 * nothing of the trait: steering that silences the model must not look harmless.
 */
export function summarise(given: readonly SteeredAnswer[]): Dose[] {
  // They come as they are finished, and sums in another order differ in the last bit: enough to turn a tie of layers.
  const answers = given.toSorted((a, b) => a.questionIndex - b.questionIndex || a.sample - b.sample);
  const cells = new Map<string, SteeredAnswer[]>();
  for (const answer of answers) {
    const key = `${answer.variant ?? ''}/${answer.layer}/${answer.coefficient}`;
    cells.set(key, [...(cells.get(key) ?? []), answer]);
  }
  return [...cells.values()]
    .map((cell): Dose => {
      const { variant, layer, coefficient, others } = cell[0]!;
      const names = Object.keys(others ?? {});
      return {
        ...(variant === undefined ? {} : { variant }),
        layer,
        coefficient,
        ...estimates(cell),
        ...(names.length === 0
          ? {}
          : {
              others: Object.fromEntries(
                names.map((name) => [name, estimates(cell.map((answer) => answer.others![name]!))]),
              ),
            }),
      };
    })
    .sort((a, b) => a.layer - b.layer || a.coefficient - b.coefficient);
}

function estimates(judgements: readonly Judgement[]): { trait: Estimate; coherence: Estimate } {
  return {
    trait: bootstrapMean(judgements.map(({ trait }) => trait).filter((score) => score !== null)),
    coherence: bootstrapMean(judgements.map(({ coherence }) => coherence ?? 0)),
  };
}
