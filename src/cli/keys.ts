/** `persona keys`: who may use the server, with which policy and how much. */

import type { Command } from 'commander';
import { existsSync } from 'node:fs';
import { PersonaError } from '../errors.ts';
import { changeKeys, type KeyEntry, keysPath, readKeys } from '../server/keys/file.ts';
import { newKey } from '../server/keys/key.ts';
import { describe } from './kit/help.ts';
import { duration, integer } from './kit/options.ts';
import { run, type Session } from './kit/run.ts';
import { table } from './kit/table.ts';

interface FileOption {
  file?: string;
}

interface AddOptions extends FileOption {
  policy?: string;
  requestsPerMinute?: number;
  tokensPerMinute?: number;
  /** ms from now */
  expires?: number;
}

export function registerKeys(program: Command): void {
  const keys = program.command('keys').description('say who may use persona serve, and how much');
  describe(keys, 'Serve and show', [
    { does: 'a key, shown once', line: 'persona keys add website --policy strict --requests-per-minute 60' },
    { does: 'those that there are', line: 'persona keys ls' },
  ]);

  const add = keys
    .command('add')
    .description('make a key; it is the last line of stdout, and cannot be shown again')
    .argument('<name>', 'for whom or what it is')
    .option('--policy <name>', 'policy that holds for its answers (default: that of the server)')
    .option('--requests-per-minute <n>', 'requests that it may make', integer({ min: 1 }))
    .option('--tokens-per-minute <n>', 'tokens of prompts and answers that it may use', integer({ min: 1 }))
    .option('--expires <time>', 'how long it works, as 12h or 90d (default: for ever)', duration);
  withFile(add).action(run(added));
  describe(add, 'Serve and show', [
    { does: 'for a quarter', line: 'persona keys add trial --expires 90d --tokens-per-minute 20000' },
    { does: 'into a variable', line: 'KEY=$(persona keys add website --quiet)' },
  ]);

  const list = keys
    .command('ls')
    .description('list the keys: names, limits, policies; not the keys themselves');
  withFile(list).action(run(listed));
  describe(list, 'Serve and show', [{ does: 'for programs', line: 'persona keys ls --json' }]);

  const remove = keys
    .command('rm')
    .description('take a key back; a running server notices within a second')
    .argument('<id>', 'id of the key, as persona keys ls shows it');
  withFile(remove).action(run(removed));
  describe(remove, 'Serve and show', [{ does: 'one that leaked', line: 'persona keys rm 0123456789ab' }]);
}

function withFile(command: Command): Command {
  return command.option('--file <path>', 'file of the keys (default: keys.json in the home folder)');
}

async function added(session: Session, name: string, options: AddOptions): Promise<void> {
  const { file: path = keysPath(), policy, requestsPerMinute, tokensPerMinute, expires } = options;
  if (!/^[^\p{Cc}]{1,100}$/u.test(name) || name.trim() === '')
    throw new PersonaError('USAGE', 'a key is named with 1 to 100 characters, on one line');
  const { id, key, hash } = newKey();
  const now = Date.now();
  const entry: KeyEntry = {
    id,
    name,
    hash,
    created: new Date(now).toISOString(),
    ...(expires === undefined ? {} : { expires: expiryOf(now + expires) }),
    ...(policy === undefined ? {} : { policy }),
    ...(requestsPerMinute === undefined ? {} : { requestsPerMinute }),
    ...(tokensPerMinute === undefined ? {} : { tokensPerMinute }),
  };
  await changeKeys(path, (keys) => [...keys, entry]);
  session.human(`Keep it now: it is not stored. Its id is ${id}.`);
  session.result({ ...shown(entry), key, file: path }, key);
}

function expiryOf(at: number): string {
  const date = new Date(at);
  if (Number.isNaN(date.getTime()) || date.getUTCFullYear() > 9999)
    throw new PersonaError('USAGE', '--expires lies too far ahead', {
      remedy: 'Leave it out for a key that does not expire.',
    });
  return date.toISOString();
}

async function listed(session: Session, { file: path = keysPath() }: FileOption): Promise<void> {
  const keys = existsSync(path) ? await readKeys(path) : [];
  const rows = keys.map(({ id, name, policy, requestsPerMinute, tokensPerMinute, created, expires }) => [
    id,
    name,
    policy ?? '–',
    requestsPerMinute ?? '–',
    tokensPerMinute ?? '–',
    created.slice(0, 10),
    expires === undefined
      ? '–'
      : `${expires.slice(0, 10)}${Date.parse(expires) <= Date.now() ? ' (over)' : ''}`,
  ]);
  const text =
    keys.length === 0
      ? `No keys yet in ${path}: persona keys add NAME`
      : table(['id', 'name', 'policy', 'requests/min', 'tokens/min', 'made', 'expires'], rows);
  session.result({ file: path, keys: keys.map(shown) }, text);
}

async function removed(session: Session, id: string, { file: path = keysPath() }: FileOption): Promise<void> {
  const missing = (): never => {
    throw new PersonaError('NOT_FOUND', `there is no key with the id "${id.slice(0, 20)}" in ${path}`, {
      remedy: 'persona keys ls shows the ids.',
    });
  };
  if (!existsSync(path)) missing();
  await changeKeys(path, (keys) => {
    const left = keys.filter((key) => key.id !== id);
    return left.length < keys.length ? left : missing();
  });
  session.result({ removed: id, file: path }, `Removed ${id}`);
}

/** Without the hash: nobody needs it outside its file. */
function shown(entry: KeyEntry): Omit<KeyEntry, 'hash'> {
  const { hash: _, ...rest } = entry;
  return rest;
}
