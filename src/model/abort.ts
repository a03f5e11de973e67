/** Turns a caller's AbortSignal into the product's own error. */

import { PersonaError } from '../errors.ts';

export function abortedError(signal: AbortSignal): PersonaError {
  return new PersonaError('ABORTED', 'stopped before it was done', { cause: signal.reason });
}

export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortedError(signal);
}
