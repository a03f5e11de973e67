/** UTF-8 bytes as text, a byte-order mark dropped. Bytes that are no UTF-8 are an error, never quietly replaced. */

import { type ErrorCode, PersonaError } from '../errors.ts';

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** `place` names the bytes in the error: a file, or `file:line`. */
export function decodeText(bytes: Uint8Array, place: string, code: ErrorCode = 'BAD_FILE'): string {
  try {
    return utf8.decode(bytes);
  } catch (error) {
    throw new PersonaError(code, `${place}: not UTF-8 text`, { cause: error });
  }
}
