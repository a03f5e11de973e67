/**
 * The conditions that a monitor is tried out under (paper §7): system prompts from suppressing the trait to promoting
 * it, and a number of earlier exchanges that show it, with no instruction at all.
 */

import type { ChatMessage } from '../model/template.ts';
import { gradedPrompts } from '../trait/graded.ts';
import { systemPrompt } from '../trait/instruction.ts';
import type { Trait } from '../trait/trait.ts';

export type Setting = 'system' | 'shots';

/** A question and its answer, as earlier turns of a conversation. */
export interface Exchange {
  question: string;
  answer: string;
}

export interface Condition {
  /** part of the keys of a run's rows */
  id: string;
  setting: Setting;
  /** for people */
  label: string;
  system?: string;
  exchanges?: readonly Exchange[];
}

/** Suppressing first; the poles of all instruction pairs for a trait without prompts between them. */
export function systemConditions(trait: Trait): { conditions: Condition[]; note?: string } {
  const graded = gradedPrompts(trait);
  if (graded) {
    const end = graded.length;
    const pole = (step: number): string => (step === 1 ? ', suppressing' : step === end ? ', promoting' : '');
    const conditions = graded.map((system, i): Condition => {
      const label = `system prompt ${i + 1} of ${end}${pole(i + 1)}`;
      return { id: `system-${i + 1}`, setting: 'system', label, system };
    });
    return { conditions };
  }
  const conditions = (['neg', 'pos'] as const).flatMap((side) =>
    trait.instruction.map((_, k): Condition => {
      const label = `instruction ${k + 1}, ${side === 'neg' ? 'suppressing' : 'promoting'}`;
      return { id: `${side}-${k + 1}`, setting: 'system', label, system: systemPrompt(trait, side, k) };
    }),
  );
  const note = `${trait.name} has no system prompts between its poles (graded): the ${conditions.length} instructions of its poles are used`;
  return { conditions, note };
}

/** @param exchanges those that show the trait most first */
export function shotConditions(exchanges: readonly Exchange[], counts: readonly number[]): Condition[] {
  return counts.map((count) => ({
    id: `shots-${count}`,
    setting: 'shots',
    label: count === 0 ? 'no earlier exchange' : `${count} earlier exchange${count === 1 ? '' : 's'}`,
    exchanges: exchanges.slice(0, count),
  }));
}

export function messagesOf(
  { system, exchanges = [] }: Pick<Condition, 'system' | 'exchanges'>,
  question: string,
): ChatMessage[] {
  return [
    ...(system === undefined ? [] : [{ role: 'system', content: system } as const]),
    ...exchanges.flatMap((exchange): ChatMessage[] => [
      { role: 'user', content: exchange.question },
      { role: 'assistant', content: exchange.answer },
    ]),
    { role: 'user', content: question },
  ];
}
