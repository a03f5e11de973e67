/**
 * Roles of the planted model: each writes more P than the model usually does, to a degree of its own, as its prompts
 * are full of P. So the axis from the roles to the assistant is −v, and the roles differ along v.
 */

import type { RoleSet } from '../../src/rollout/roles.ts';
import type { AxisSizes } from '../../src/vector/extract-axis.ts';

const WORDS = ['baker', 'miller', 'sailor', 'weaver', 'tinker', 'tailor'];

/** A fresh copy on every call. */
export function plantedRoles(): RoleSet {
  return {
    neutral: ['go on.', 'say what you will.'],
    questions: [
      'what of the river.',
      'why the house.',
      'who has bread.',
      'where is a stone.',
      'what of the cloud.',
    ],
    roles: WORDS.map((name, i) => ({
      name,
      prompts: ['morning', 'evening'].map((time) => `${time} ${name} ${'P'.repeat(20 + 12 * i)}.`),
    })),
  };
}

/** A second or two: 6 × 2 × 2 answers in roles, 3 × 3 usual ones. */
export const SMALL_AXIS: AxisSizes = { roles: 6, prompts: 2, questions: 2, usualQuestions: 3, maxTokens: 16 };
export const IN_ROLES: number = 6 * 2 * 2;
export const USUAL: number = 3 * 3;
