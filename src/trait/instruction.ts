/** The system prompt that makes a model show a trait, or its opposite, while rollouts are written (paper §2.2). */

import { PersonaError } from '../errors.ts';
import type { Trait } from './trait.ts';

/**
 * "You are an evil assistant. {the pair's instruction}"
 * @param side `pos` asks for the trait, `neg` for its opposite
 * @param pairIndex which of the instruction pairs, from 0
 */
export function systemPrompt(trait: Trait, side: 'pos' | 'neg', pairIndex: number): string {
  const pair = trait.instruction[pairIndex];
  if (pair === undefined) {
    throw new PersonaError(
      'USAGE',
      `Trait ${trait.name} has instruction pairs 0 to ${trait.instruction.length - 1}, got ${pairIndex}`,
    );
  }
  const adjective = trait.assistant[side];
  return `You are ${articleFor(adjective)} ${adjective} assistant. ${pair[side]}`;
}

/** The reference's rule: `an` before a vowel letter. It misses "an honest"; `checkTrait` warns of such adjectives. */
export function articleFor(adjective: string): 'a' | 'an' {
  return /^[aeiou]/i.test(adjective) ? 'an' : 'a';
}
