/** From an unknown JSON value to a Trait: the fields and their types. What the texts must be like is `check.ts`. */

import { z } from 'zod';
import { PersonaError } from '../errors.ts';
import { closestNames } from './closest.ts';
import type { Trait } from './trait.ts';

const pair = z.strictObject({ pos: z.string(), neg: z.string() });

const trait = z.strictObject({
  name: z.string(),
  assistant: pair,
  description: z.string(),
  instruction: z.array(pair),
  graded: z.array(z.string()).optional(),
  questions: z.array(z.string()),
  evaluation: z.array(z.string()),
  eval_prompt: z.string(),
});

const TRAIT_FIELDS = Object.keys(trait.shape);
const PAIR_FIELDS = Object.keys(pair.shape);

/** More mistakes than these in one file say the same thing again, such as a missing field in every pair. */
const MAX_ISSUES_SHOWN = 10;

/** The schema itself, for those who compose it: an HTTP route, a JSON schema for a trait-writing model. */
export const traitSchema: z.ZodType<Trait> = trait;

/**
 * Reads a trait from parsed JSON.
 * @param source named in errors, usually the file's path
 * @throws PersonaError BAD_TRAIT, one `field.path: what is wrong` per mistake
 */
export function parseTrait(value: unknown, source: string): Trait {
  const parsed = trait.safeParse(value, { reportInput: true });
  if (parsed.success) return parsed.data;
  throw badTrait(source, parsed.error.issues.flatMap(describeIssue), parsed.error);
}

/** The error for a trait with these mistakes; a single one stays on the first line. */
export function badTrait(source: string, mistakes: readonly string[], cause?: unknown): PersonaError {
  const shown = mistakes.slice(0, MAX_ISSUES_SHOWN);
  if (shown.length < mistakes.length) shown.push(`and ${mistakes.length - shown.length} more`);
  const [only, ...rest] = shown;
  const message =
    only !== undefined && rest.length === 0
      ? `${source}: ${only}`
      : `${source}: ${mistakes.length} mistakes\n${shown.map((line) => `  ${line}`).join('\n')}`;
  return new PersonaError('BAD_TRAIT', message, {
    remedy: 'Correct the trait file; `persona trait show evil` prints one that is right.',
    cause,
  });
}

/** `['instruction', 2, 'neg']` → `instruction[2].neg` */
export function formatPath(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, key) => {
    if (typeof key === 'number') return `${text}[${key}]`;
    const name = String(key);
    if (!/^\w+$/.test(name)) return `${text}[${JSON.stringify(name)}]`;
    return text === '' ? name : `${text}.${name}`;
  }, '');
}

function describeIssue(issue: z.core.$ZodIssue): string[] {
  if (issue.code === 'unrecognized_keys') {
    const known = issue.path.length === 0 ? TRAIT_FIELDS : PAIR_FIELDS;
    return issue.keys.map(
      (key) => `${formatPath([...issue.path, key])}: unknown field; ${suggestion(key, known)}`,
    );
  }
  const where = issue.path.length === 0 ? 'the file' : formatPath(issue.path);
  if (issue.code !== 'invalid_type') return [`${where}: ${issue.message}`];
  if (issue.input === undefined) return [`${where}: missing`];
  return [`${where}: expected ${withArticle(issue.expected)}, got ${kindOf(issue.input)}`];
}

function suggestion(key: string, known: readonly string[]): string {
  const [nearest] = closestNames(key, known, 1);
  return nearest === undefined ? `known are ${known.join(', ')}` : `did you mean ${nearest}?`;
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  return withArticle(Array.isArray(value) ? 'array' : typeof value);
}

function withArticle(noun: string): string {
  return `${/^[aeiou]/.test(noun) ? 'an' : 'a'} ${noun}`;
}
