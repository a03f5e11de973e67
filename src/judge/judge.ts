/** What a judge is: it gives an answer 0–100 for a trait and 0–100 for coherence, or says why it cannot. */

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
