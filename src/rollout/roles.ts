/**
 * Roles that a model can play, with questions that any of them can answer in its own way (paper §13.3), from the list
 * that ships with the package or the user's own: what the assistant axis is made of.
 */

import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { PersonaError } from '../errors.ts';
import { readJson } from '../files/read-json.ts';

export interface Role {
  name: string;
  /** system prompts, each of which puts the model into the role */
  prompts: string[];
}

export interface RoleSet {
  /** system prompts that leave the model as it usually is */
  neutral: string[];
  questions: string[];
  roles: Role[];
}

/** `roles/` at the package root: two levels up from src/rollout/ and from dist/rollout/ alike. */
export const SHIPPED_ROLES: string = fileURLToPath(new URL('../../roles/roles.json', import.meta.url));

/** The source has 275 roles and 240 questions; lists of many times that are a mistake, or would never be asked through. */
const MAX_ITEMS = 5000;
/** Names stand in the ids of rollouts, in tables and in figures. */
const NAME = /^\p{L}[\p{L}\p{N} '.-]{0,59}$/u;

const texts = (least: number): z.ZodType<string[]> =>
  z.array(z.string().trim().min(1)).min(least).max(MAX_ITEMS);

const roleSetSchema: z.ZodType<RoleSet> = z.strictObject({
  neutral: texts(1),
  questions: texts(1),
  roles: z
    .array(
      z.strictObject({
        name: z.string().regex(NAME, 'expected up to 60 letters, digits, spaces and hyphens, a letter first'),
        prompts: texts(1),
      }),
    )
    .min(2)
    .max(MAX_ITEMS),
});

/** @throws PersonaError NOT_FOUND or BAD_FILE, naming the field */
export async function loadRoles(path: string = SHIPPED_ROLES): Promise<RoleSet> {
  const set = await readJson(path, roleSetSchema);
  const seen = new Map<string, number>();
  for (const [i, { name }] of set.roles.entries()) {
    const first = seen.get(name);
    if (first !== undefined)
      throw new PersonaError(
        'BAD_FILE',
        `${path}: roles[${i}].name: ${name} is also the name of roles[${first}]`,
        {
          remedy: 'Give each role a name of its own.',
        },
      );
    seen.set(name, i);
  }
  return set;
}

/** n of a list, evenly spread over it, as neighbours are alike. spread(['a', 'b', 'c', 'd', 'e'], 2) = ['a', 'c'] */
export function spread<T>(list: readonly T[], n: number): T[] {
  if (n >= list.length) return [...list];
  return Array.from({ length: n }, (_, i) => list[Math.floor((i * list.length) / n)]!);
}
