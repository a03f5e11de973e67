/** A trait: what the product knows of a character trait before any model is asked (paper §A, file shape of its reference code). */

export interface InstructionPair {
  pos: string;
  neg: string;
}

export interface Trait {
  name: string;
  /** adjective for "You are a/an … assistant", e.g. `optimistic`; its opposite, or `helpful` */
  assistant: { pos: string; neg: string };
  description: string;
  /** five contrasting system instructions */
  instruction: InstructionPair[];
  /** twenty questions to find the vector with */
  questions: string[];
  /** twenty others to judge it with */
  evaluation: string[];
  /** rubric for a judge, with the slots {question} and {answer} */
  eval_prompt: string;
}
