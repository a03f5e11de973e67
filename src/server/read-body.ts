/** A request's JSON body: of the right kind, not too large, well formed, and of the schema; else an error that says where. */

import type { z } from 'zod';
import { fieldPath } from '../files/check-json.ts';
import { ApiError } from './errors.ts';
import { jsonErrorAt, place } from './json-position.ts';

/** @throws ApiError 400, 413 or 415 */
export async function readJson<T>(request: Request, schema: z.ZodType<T>, maxBytes: number): Promise<T> {
  const body = async (): Promise<string> => new TextDecoder().decode(await readBytes(request, maxBytes));
  return parseJson(request.headers.get('content-type') ?? 'none', body, schema);
}

/** @param body its text @throws ApiError 400 or 415 */
export async function parseJson<T>(
  type: string,
  body: () => Promise<string>,
  schema: z.ZodType<T>,
): Promise<T> {
  if (!/^application\/(?:[\w.+-]*\+)?json\s*(?:;|$)/i.test(type))
    throw new ApiError(`content-type is ${type}; expected application/json`, {
      status: 415,
      code: 'unsupported_media_type',
    });
  const text = await body();
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const why = (error as SyntaxError).message.replace(/ in JSON at position .*/, '');
    throw new ApiError(`the body is not JSON from ${place(text, jsonErrorAt(text))} on: ${why}`, {
      code: 'invalid_json',
    });
  }
  return check(value, schema);
}

/** @throws ApiError 413 as soon as there are more */
export async function readBytes(request: Request, maxBytes: number): Promise<Uint8Array> {
  const tooLarge = new ApiError(`the body is too large: at most ${maxBytes} bytes`, {
    status: 413,
    code: 'body_too_large',
  });
  if (Number(request.headers.get('content-length')) > maxBytes) throw tooLarge;
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of request.body ?? []) {
    bytes += part.length;
    if (bytes > maxBytes) throw tooLarge;
    parts.push(part);
  }
  return Buffer.concat(parts);
}

/** @throws ApiError 400 naming the field */
export function check<T>(value: unknown, schema: z.ZodType<T>): T {
  const checked = schema.safeParse(value);
  if (checked.success) return checked.data;
  const { path, message, code } = firstIssue(checked.error.issues);
  const param = fieldPath(path);
  const said = message.replace(/^Invalid input: /, '');
  throw new ApiError(param === '' ? said : `${param}: ${said}`, { param: param || undefined, code });
}

interface Issue {
  path: PropertyKey[];
  message: string;
  code: string;
}

/** The first issue; of a choice between forms, that of the form which was meant. */
function firstIssue(issues: readonly z.core.$ZodIssue[]): Issue {
  const issue = issues[0]!;
  const path = [...issue.path];
  if (issue.code === 'unrecognized_keys')
    return { path: [...path, issue.keys[0]!], message: 'there is no such field', code: 'unknown_parameter' };
  if (issue.code === 'invalid_union') {
    const meant = issue.errors.find((form) => form[0] && !isOtherKind(form[0]));
    if (meant) {
      const inner = firstIssue(meant);
      return { ...inner, path: [...path, ...inner.path] };
    }
  }
  const missing = issue.code === 'invalid_type' && issue.message.endsWith('received undefined');
  return {
    path,
    message: issue.message,
    code: missing
      ? 'missing_required_parameter'
      : issue.code === 'custom'
        ? 'invalid_value'
        : kindOf(issue.code),
  };
}

function kindOf(code: string): string {
  return code === 'invalid_type' || code === 'invalid_union' ? 'invalid_type' : 'invalid_value';
}

/** The value is of another kind altogether than this form. */
function isOtherKind(issue: z.core.$ZodIssue): boolean {
  if (issue.path.length > 0) return false;
  if (issue.code === 'invalid_union') return issue.errors.every((form) => !form[0] || isOtherKind(form[0]));
  return issue.code === 'invalid_type' || issue.code === 'invalid_value';
}
