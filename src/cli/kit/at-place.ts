/** Errors about a line of a file name the line. */

import { isPersonaError, PersonaError } from '../../errors.ts';

/** What is thrown within has `place` before its message; but a stop, or a server that says no, is no matter of a line. */
export async function atPlace<T>(place: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!isPersonaError(error) || error.code === 'ABORTED' || error.code === 'SERVER') throw error;
    throw new PersonaError(error.code, `${place}: ${error.message}`, {
      ...(error.remedy === undefined ? {} : { remedy: error.remedy }),
      cause: error,
    });
  }
}
