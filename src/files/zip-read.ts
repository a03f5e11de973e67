/**
 * Reads a zip archive whose entries are stored, not packed: each is a view of the archive's own bytes, so that nothing
 * can unfold to more than the file's size. Checksums are compared.
 */

import { crc32 } from 'node:zlib';
import { fromBufferPromise, type Entry, type ZipFile } from 'yauzl';
import { isPersonaError, PersonaError } from '../errors.ts';

/** A few tensors and their table of contents are far below. */
const MAX_ENTRIES = 10_000;
const STORED = 0;

/** @param path names the archive in errors @returns name → content */
export async function readStoredZip(bytes: Buffer, path: string): Promise<Map<string, Uint8Array>> {
  const entries = new Map<string, Uint8Array>();
  try {
    const archive = await fromBufferPromise(bytes);
    let total = 0;
    for await (const entry of archive.eachEntry()) {
      const { fileName, uncompressedSize } = entry;
      if (isPacked(entry)) throw broken(path, `${fileName} is packed or encrypted, expected plain bytes`);
      if (entries.has(fileName)) throw broken(path, `${fileName} is there twice`);
      if (entries.size >= MAX_ENTRIES) throw broken(path, `more than ${MAX_ENTRIES} entries`);
      total += uncompressedSize;
      if (total > bytes.length)
        throw broken(path, `its entries are longer than the file, from ${fileName} on`);
      entries.set(fileName, await contentOf(archive, entry, bytes, path));
    }
  } catch (cause) {
    if (isPersonaError(cause)) throw cause;
    throw broken(path, (cause as Error).message, cause);
  }
  return entries;
}

function isPacked(entry: Entry): boolean {
  const { compressionMethod, compressedSize, uncompressedSize } = entry;
  return compressionMethod !== STORED || compressedSize !== uncompressedSize || entry.isEncrypted();
}

async function contentOf(archive: ZipFile, entry: Entry, bytes: Buffer, path: string): Promise<Uint8Array> {
  const { fileName, uncompressedSize } = entry;
  const { fileDataStart } = await archive.readLocalFileHeaderPromise(entry, { minimal: true });
  const content = bytes.subarray(fileDataStart, fileDataStart + uncompressedSize);
  if (content.length !== uncompressedSize)
    throw broken(path, `${fileName} at byte ${fileDataStart} reaches beyond the end of the file`);
  if (crc32(content) !== entry.crc32) throw broken(path, `${fileName}: its checksum (crc32) is another`);
  return content;
}

function broken(path: string, problem: string, cause?: unknown): PersonaError {
  return new PersonaError('BAD_FILE', `${path}: zip archive: ${problem}`, {
    remedy: 'Get the file again, or make it anew.',
    cause,
  });
}
