/** The bytes of a data file as they come, unpacked on the way. */

import { createReadStream } from 'node:fs';
import { pipeline, type Readable } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { fileProblem } from '../../files/file-problem.ts';
import type { DataFile } from './files.ts';

export function bytesOf({ path, packing }: DataFile): Readable {
  const file = createReadStream(path);
  if (packing === undefined) return file;
  const unpacked = packing === 'gz' ? createGunzip() : createZstdDecompress();
  // an error of either ends both, and reaches whoever reads
  pipeline(file, unpacked, () => {});
  return unpacked;
}

/** Of reading or unpacking, in words. */
export function bytesProblem({ path }: DataFile, error: unknown): Error {
  return fileProblem('read', path, error);
}
