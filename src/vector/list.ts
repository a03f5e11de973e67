/** The vector files of a folder. */

import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** Paths in alphabetical order; none where the folder is not there. */
export async function listVectorFiles(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  return names
    .filter((name) => /\.gguf$/i.test(name) && !name.startsWith('.'))
    .toSorted((a, b) => a.localeCompare(b))
    .map((name) => join(folder, name));
}
