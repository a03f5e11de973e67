/** Says before a download, not after an hour of it, that the disk is too small. */

import { statfs } from 'node:fs/promises';
import { PersonaError } from '../errors.ts';

/** Left free, so that the machine stays usable. */
const reserveBytes = 64 * 1024 * 1024;

/** @param folder must exist */
export async function requireDiskSpace(folder: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  if (free >= bytes + reserveBytes) return;
  const gigabytes = (n: number): string => `${(n / 1e9).toFixed(2)} GB`;
  throw new PersonaError(
    'DOWNLOAD',
    `${folder} has ${gigabytes(free)} free, ${gigabytes(bytes)} are needed`,
    {
      remedy: 'Make room, or set PERSONA_HOME to a folder on a larger disk.',
    },
  );
}
