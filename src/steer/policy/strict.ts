/** Objects that have the fields they should and no others, and what is wrong with a value as places and words. */

import { z } from 'zod';
import { closestNames } from '../../trait/closest.ts';

/** An object without other fields; an unknown one is named with the field that was probably meant. */
export function strict<S extends z.core.$ZodLooseShape>(shape: S): z.ZodObject<S, z.core.$strict> {
  const known = Object.keys(shape);
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? unknownField((issue as { keys: string[] }).keys[0]!, known)
        : undefined,
  });
}

function unknownField(name: string, known: readonly string[]): string {
  const [near] = closestNames(name, known, 1);
  return `there is no field ${JSON.stringify(name)}; ${near ? `did you mean ${near}?` : `there are ${known.join(', ')}`}`;
}

export interface Problem {
  path: PropertyKey[];
  message: string;
  /** the path is that of a field's name, not of its value */
  isName: boolean;
}

/** One problem for each issue; of a value that may have several forms, those of the form that was meant. */
export function problemsOf(issues: readonly z.core.$ZodIssue[], within: PropertyKey[] = []): Problem[] {
  return issues.flatMap((issue): Problem[] => {
    const path = [...within, ...issue.path];
    const meant = issue.code === 'invalid_union' ? meantForm(issue.errors) : undefined;
    if (meant !== undefined) return problemsOf(meant, path);
    if (issue.code === 'unrecognized_keys')
      return [{ path: [...path, issue.keys[0]!], message: issue.message, isName: true }];
    if (issue.code === 'invalid_key')
      return [{ path, message: issue.issues[0]?.message ?? issue.message, isName: true }];
    return [{ path, message: issue.message.replace(/^Invalid input: /, ''), isName: false }];
  });
}

/** A value of another type is no attempt at this form, one with another field hardly. */
const ANOTHER_TYPE = 100;
const ANOTHER_FIELD = 10;

/** The form that the value comes nearest to; undefined where none is near, or none nearer than another. */
function meantForm(forms: readonly z.core.$ZodIssue[][]): z.core.$ZodIssue[] | undefined {
  const [first, second] = forms
    .map((issues) => ({ issues, distance: distanceTo(issues) }))
    .sort((a, b) => a.distance - b.distance);
  if (first === undefined || first.distance >= ANOTHER_TYPE) return undefined;
  return second !== undefined && second.distance === first.distance ? undefined : first.issues;
}

function distanceTo(issues: readonly z.core.$ZodIssue[]): number {
  let sum = 0;
  for (const issue of issues) {
    const isWhole = issue.path.length === 0;
    if (issue.code === 'invalid_union' && isWhole && issue.errors.length > 0)
      sum += Math.min(...issue.errors.map(distanceTo));
    else if (isWhole && (issue.code === 'invalid_type' || issue.code === 'invalid_value'))
      sum += ANOTHER_TYPE;
    else sum += issue.code === 'unrecognized_keys' ? ANOTHER_FIELD : 1;
  }
  return sum;
}
