/** Eight system prompts from suppressing a trait to promoting it: the axis on which monitoring is tried out (paper §7). */

import { systemPrompt } from './instruction.ts';
import type { Trait } from './trait.ts';

/** Between the two ends, which are built from the first instruction pair. */
export const GRADED_STEPS = 6;

/** neg end, the six steps of the trait file, pos end; undefined for a trait without steps. */
export function gradedPrompts(trait: Trait): string[] | undefined {
  if (trait.graded === undefined) return undefined;
  return [systemPrompt(trait, 'neg', 0), ...trait.graded, systemPrompt(trait, 'pos', 0)];
}
