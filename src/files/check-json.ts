/** JSON text against a schema; what is wrong is said with its place and field. */

import type { z } from 'zod';
import { type ErrorCode, PersonaError } from '../errors.ts';

const SHOWN_ISSUES = 3; // the first ones mostly cause the rest

/**
 * The checked value of JSON text. `place` names the text in errors: a file, or `file:line`.
 *
 * checkJson('{"n":"x"}', 'a.json', z.object({ n: z.number() })) throws
 * `a.json: n: expected number, received string`
 */
export function checkJson<T>(
  text: string,
  place: string,
  schema: z.ZodType<T>,
  code: ErrorCode = 'BAD_FILE',
): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new PersonaError(code, `${place}: not JSON: ${(error as SyntaxError).message}`, { cause: error });
  }
  const checked = schema.safeParse(value);
  if (checked.success) return checked.data;
  throw new PersonaError(code, `${place}: ${issuesText(checked.error.issues)}`, { cause: checked.error });
}

/** The issues of a zod error on one line: `questions[3]: expected string, received null; …` */
export function issuesText(issues: readonly z.core.$ZodIssue[]): string {
  const shown = issues.slice(0, SHOWN_ISSUES).map((issue) => {
    const message = issue.message.replace(/^Invalid input: /, '');
    return issue.path.length === 0 ? message : `${fieldPath(issue.path)}: ${message}`;
  });
  const more = issues.length - shown.length;
  return shown.join('; ') + (more > 0 ? `; and ${more} more` : '');
}

/** fieldPath(['instruction', 3, 'pos']) = 'instruction[3].pos' */
export function fieldPath(path: readonly PropertyKey[]): string {
  return path
    .map((key, i) => (typeof key === 'number' ? `[${key}]` : `${i > 0 ? '.' : ''}${String(key)}`))
    .join('');
}
