/** Reads a file whole that may only be so large: what comes from elsewhere must not fill the memory (CWE-770). */

import { readFile, stat } from 'node:fs/promises';
import { PersonaError } from '../errors.ts';
import { fileProblem } from './file-problem.ts';

/** @param what it should be, in the error: `a vector file` */
export async function readCapped(path: string, maxBytes: number, what: string): Promise<Buffer> {
  try {
    const found = await stat(path);
    if (!found.isFile())
      throw new PersonaError('BAD_FILE', `${path}: expected a file, got a folder or device`);
    if (found.size <= maxBytes) return await readFile(path);
    throw new PersonaError(
      'BAD_FILE',
      `${path}: too large for ${what}: ${found.size} bytes of at most ${maxBytes}`,
    );
  } catch (error) {
    throw fileProblem('read', path, error);
  }
}
