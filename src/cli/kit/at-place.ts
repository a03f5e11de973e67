/** Errors about a line of a file name the line. */

import { isPersonaError, PersonaError } from '../../errors.ts';

/** What is thrown within has `place` before its message. */
export async function atPlace<T>(place: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!isPersonaError(error) || error.code === 'ABORTED') throw error;
    throw new PersonaError(error.code, `${place}: ${error.message}`, {
      ...(error.remedy === undefined ? {} : { remedy: error.remedy }),
      cause: error,
    });
  }
}
