/** Standard input as text. */

import { decodeText } from '../../files/decode-text.ts';

/** All of it, without the newline at its end. */
export async function readStdin(): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const part of process.stdin as AsyncIterable<Uint8Array>) parts.push(part);
  return decodeText(Buffer.concat(parts), 'standard input').replace(/\r?\n$/, '');
}
