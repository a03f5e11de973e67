/** A configuration that can be read anew while it is in use: the next answers get the new one, those under way keep theirs. */

import type { PersonaConfig } from './config.ts';
import { loadConfig } from './load.ts';

export interface Reloadable<T> {
  /** what was made of the last good file */
  readonly current: T;
  /** Reads the file again; a bad one is told of, and changes nothing. Calls are done one after the other. */
  reload(): Promise<Reloaded>;
}

export type Reloaded = { changed: true } | { changed: false; why: unknown };

/**
 * For the caller to wire: `process.on('SIGHUP', () => void config.reload().then(tell))`.
 * @param apply what is made of a configuration (its vectors read, its policies made ready); changes nothing itself
 * @throws PersonaError when the file is bad at the start
 */
export async function reloadable<T>(
  path: string,
  apply: (config: PersonaConfig) => T | Promise<T>,
): Promise<Reloadable<T>> {
  let current = await apply(await loadConfig(path));
  let last: Promise<unknown> = Promise.resolve();

  async function readAnew(): Promise<Reloaded> {
    try {
      current = await apply(await loadConfig(path));
      return { changed: true };
    } catch (why) {
      return { changed: false, why };
    }
  }
  return {
    get current() {
      return current;
    },
    reload() {
      const reloaded = last.then(readAnew);
      last = reloaded;
      return reloaded;
    },
  };
}
