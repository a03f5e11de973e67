/** A rollout: one answer of the model to one question under one instruction. */

export type Side = 'pos' | 'neg';

/** One line of rollouts.jsonl. */
export interface Rollout {
  /** `${trait}_${question}_${side}_${instruction}_${sample}`: the key by which a killed run goes on */
  id: string;
  side: Side;
  question: string;
  questionIndex: number;
  instructionIndex: number;
  sample: number;
  /** the rendered prompt, as the model saw it */
  prompt: string;
  answer: string;
  tokens: number;
  finishReason: string;
}

/** One line of scores.jsonl: what a judge said of a rollout. */
export interface RolloutScore {
  id: string;
  judge: string;
  /** 0–100, or null with a reason */
  trait: number | null;
  coherence: number | null;
  reason?: string;
}
