/** The keys that a running server knows: who holds one, and when the file changes, who holds one now. */

import { stat } from 'node:fs/promises';
import { isPersonaError } from '../../errors.ts';
import type { Caller } from '../../steer/policy/policy.ts';
import type { KeyLimits } from '../limits/key-limits.ts';
import { type KeyEntry, readKeys } from './file.ts';
import { idOf, matches } from './key.ts';

/** Who asks, and how much they may. */
export interface KeyHolder extends Caller {
  name: string;
  limits: KeyLimits;
}

export interface Keyring extends Disposable {
  /** Of the value of an `Authorization` header; undefined for no key, a wrong one, and one that is over. */
  authenticate(authorization: string | undefined): KeyHolder | undefined;
  /** Reads the file again. A broken one changes nothing and is told of; where it is gone, nobody has a key. */
  reload(): Promise<void>;
}

export interface KeyringOptions {
  /** how often the file is looked at; a removed key works so long. @default 1000 */
  watchMs?: number | undefined;
  /** ms since 1970, for keys that expire. @default Date.now */
  now?: (() => number) | undefined;
  onProblem?: ((problem: string) => void) | undefined;
}

/** Compared with where no key has the id, so that this takes as long. */
const NO_HASH = '0'.repeat(64);

/** @throws PersonaError NOT_FOUND, BAD_FILE: a server that should want keys must not begin without */
export async function openKeyring(path: string, options: KeyringOptions = {}): Promise<Keyring> {
  const { watchMs = 1000, now = Date.now, onProblem } = options;
  let seen = await stampOf(path);
  let keys = byId(await readKeys(path));

  let last: Promise<void> = Promise.resolve();

  /** One after the other: an older reading that ends later must not bring back a key that was removed. */
  function reload(): Promise<void> {
    return (last = last.then(readAgain));
  }
  async function readAgain(): Promise<void> {
    try {
      keys = byId(await readKeys(path));
    } catch (error) {
      const gone = isPersonaError(error) && error.code === 'NOT_FOUND';
      if (gone) keys = new Map();
      onProblem?.(`${(error as Error).message}: ${gone ? 'nobody has a key' : 'the keys stay as they were'}`);
    }
  }
  const watching = setInterval(() => void look(), watchMs).unref();
  async function look(): Promise<void> {
    const stamp = await stampOf(path);
    if (stamp === seen) return;
    seen = stamp;
    await reload();
  }

  return {
    authenticate(authorization) {
      const key = /^Bearer +(\S+)$/i.exec(authorization?.trim() ?? '')?.[1];
      const id = key === undefined ? undefined : idOf(key);
      if (key === undefined || id === undefined) return undefined;
      const entry = keys.get(id);
      if (!matches(key, entry?.hash ?? NO_HASH) || entry === undefined) return undefined;
      if (entry.expires !== undefined && now() >= Date.parse(entry.expires)) return undefined;
      return holderOf(entry);
    },
    reload,
    [Symbol.dispose]: () => clearInterval(watching),
  };
}

function holderOf({ id, name, policy, requestsPerMinute, tokensPerMinute }: KeyEntry): KeyHolder {
  return { keyId: id, name, policy, limits: { requestsPerMinute, tokensPerMinute } };
}

function byId(keys: readonly KeyEntry[]): Map<string, KeyEntry> {
  return new Map(keys.map((entry) => [entry.id, entry]));
}

/** Differs when the file was written: each whole writing makes a new one. */
async function stampOf(path: string): Promise<string> {
  const found = await stat(path, { bigint: true }).catch(() => undefined);
  return found === undefined ? 'none' : `${found.ino} ${found.mtimeNs} ${found.size}`;
}
