/** Checks rows without remaking them: other fields, and the order of all, stay the user's own. */

import { z } from 'zod';

/** A schema that checks as `schema` does, and gives back the very value. */
export function asGiven<T>(schema: z.ZodType<T>): z.ZodType<T> {
  return z.unknown().transform((value, context) => {
    const checked = schema.safeParse(value);
    for (const { message, path } of checked.error?.issues ?? [])
      context.issues.push({ code: 'custom', message, path, input: value });
    return value as T;
  });
}
