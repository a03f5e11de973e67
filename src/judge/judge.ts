/** What a judge is: it gives an answer 0–100 for a trait and 0–100 for coherence, or says why it cannot. */

import type { Trait } from '../trait/trait.ts';

export interface JudgeItem {
  question: string;
  answer: string;
  /** the instruction pair that brought the answer about; a judge that uses instructions takes others */
  instructionIndex?: number;
}

export interface Judgement {
  /** 0–100; null when it cannot be said, with the reason */
  trait: number | null;
  coherence: number | null;
  reason?: string;
}

export interface Judge {
  /** which judge, stated beside every score of its making */
  readonly name: string;
  judge(item: JudgeItem, signal?: AbortSignal): Promise<Judgement>;
}

/** What a judge's work has cost so far. */
export interface JudgeUsage {
  requests: number;
  /** answered from the cache, without a request */
  cached: number;
  promptTokens: number;
  completionTokens: number;
  /** dollars, where the prices of tokens are known */
  cost?: number;
}

/** A judge that is open for the answers of any trait: `openai:MODEL`, `gguf:MODEL`, `fn:FILE.ts`. */
export interface OpenedJudge extends AsyncDisposable {
  readonly name: string;
  forTrait(trait: Trait): Judge;
  usage(): JudgeUsage;
}
