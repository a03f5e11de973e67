/** Reads a JSON file that people or other programs wrote: checked, capped, and with errors that name file and field. */

import { readFile, stat } from 'node:fs/promises';
import type { z } from 'zod';
import { type ErrorCode, PersonaError } from '../errors.ts';
import { checkJson } from './check-json.ts';
import { decodeText } from './decode-text.ts';
import { fileProblem } from './file-problem.ts';

/** Traits, configurations and reports are far below 1 MB; more than this is another kind of file (CWE-770). */
export const MAX_JSON_BYTES: number = 64 * 2 ** 20;

export interface ReadJsonOptions {
  /** of the error when the content does not fit. @default 'BAD_FILE' */
  code?: ErrorCode;
}

export async function readJson<T>(
  path: string,
  schema: z.ZodType<T>,
  options: ReadJsonOptions = {},
): Promise<T> {
  const { code = 'BAD_FILE' } = options;
  const text = decodeText(await readCapped(path, code), path, code);
  return checkJson(text, path, schema, code);
}

async function readCapped(path: string, code: ErrorCode): Promise<Uint8Array> {
  try {
    const { size } = await stat(path);
    if (size <= MAX_JSON_BYTES) return await readFile(path);
    throw new PersonaError(
      code,
      `${path}: too large for a JSON file: ${size} bytes of at most ${MAX_JSON_BYTES}`,
    );
  } catch (error) {
    throw fileProblem('read', path, error);
  }
}
