/** The file of keys, `keys.json`: what is known of each, without the keys themselves. Written whole, for its owner only. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { PersonaError } from '../../errors.ts';
import { readJson } from '../../files/read-json.ts';
import { writeWhole } from '../../files/write-whole.ts';
import { homeFolder } from '../../model/home.ts';
import { withLock } from '../../model/lock.ts';

export interface KeyEntry {
  id: string;
  name: string;
  /** sha256 of the key, hex */
  hash: string;
  /** ISO time */
  created: string;
  /** ISO time from which on it is refused */
  expires?: string | undefined;
  policy?: string | undefined;
  requestsPerMinute?: number | undefined;
  tokensPerMinute?: number | undefined;
}

const perMinute = z.int().min(1);

const keyEntry: z.ZodType<KeyEntry> = z.object({
  id: z.string().regex(/^[0-9a-f]{12}$/),
  name: z.string().min(1).max(100),
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  created: z.iso.datetime(),
  expires: z.iso.datetime().optional(),
  policy: z.string().min(1).optional(),
  requestsPerMinute: perMinute.optional(),
  tokensPerMinute: perMinute.optional(),
});

const keysFile: z.ZodType<{ keys: KeyEntry[] }> = z.object({ keys: z.array(keyEntry) });

export function keysPath(home: string = homeFolder()): string {
  return join(home, 'keys.json');
}

/** @throws PersonaError NOT_FOUND, BAD_FILE that names the field */
export async function readKeys(path: string): Promise<KeyEntry[]> {
  const { keys } = await readJson(path, keysFile);
  const twice = keys.find(({ id }, i) => keys.findIndex((other) => other.id === id) !== i);
  if (twice) throw new PersonaError('BAD_FILE', `${path}: the key ${twice.id} is there twice`);
  return keys;
}

/** Reads, changes and writes the file while nobody else does. */
export async function changeKeys(path: string, change: (keys: KeyEntry[]) => KeyEntry[]): Promise<void> {
  await withLock(`${path}.lock`, {}, async () => {
    const keys = change(existsSync(path) ? await readKeys(path) : []);
    await writeWhole(path, `${JSON.stringify({ keys }, null, 2)}\n`, { mode: 0o600 });
  });
}
