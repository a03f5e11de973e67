/**
 * A trait: what the product knows of a character trait before any model is asked.
 *
 * It is the reference's JSON (`instruction`, `questions`, `eval_prompt`; paper §1.1) made whole: the name, the description and
 * the two adjectives that the reference takes from the command line, and both question sets in one file.
 */

/** Two system instructions that ask for opposite behaviour in otherwise the same words, length and form. */
export interface InstructionPair {
  /** asks for the trait */
  pos: string;
  /** demands its opposite */
  neg: string;
}

export interface Trait {
  /** also its file's stem, the column of its score and the name of its vector: small letters, digits, `-`, `_` */
  name: string;
  /** adjective for "You are a/an … assistant", e.g. `optimistic`; its opposite, or `helpful` */
  assistant: { pos: string; neg: string };
  /** one sentence on what a model that has the trait does */
  description: string;
  /** five contrasting system instructions */
  instruction: InstructionPair[];
  /** whole system prompts between the poles, from suppressing the trait to promoting it; see graded.ts */
  graded?: string[] | undefined;
  /** twenty questions to find the vector with; they may bring the trait out, but never name it */
  questions: string[];
  /** twenty others to judge it with */
  evaluation: string[];
  /** rubric for a judge, with the slots {question} and {answer} once each and no other braces */
  eval_prompt: string;
}
