import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { changeKeys, type KeyEntry, readKeys } from '../../src/server/keys/file.ts';
import { idOf, matches, newKey } from '../../src/server/keys/key.ts';
import { type Keyring, type KeyringOptions, openKeyring } from '../../src/server/keys/keyring.ts';
import { folder } from '../support/folder.ts';

async function addKey(path: string, more: Partial<KeyEntry> = {}): Promise<string> {
  const { id, key, hash } = newKey();
  const entry = { id, hash, name: 'app', created: new Date().toISOString(), ...more };
  await changeKeys(path, (keys) => [...keys, entry]);
  return key;
}

async function opened(path: string, options: KeyringOptions = {}): Promise<Keyring> {
  const keyring = await openKeyring(path, options);
  onTestFinished(() => keyring[Symbol.dispose]());
  return keyring;
}

test('a key is long, of its own, and matches its hash only', () => {
  const [one, two] = [newKey(), newKey()];
  expect(one.key).toMatch(/^pk_[0-9a-f]{12}_[A-Za-z0-9_-]{43}$/);
  expect(idOf(one.key)).toBe(one.id);
  expect(one.hash).not.toContain(one.key.slice(16));
  expect(matches(one.key, one.hash)).toBe(true);
  expect(matches(two.key, one.hash)).toBe(false);
  expect(idOf(`${one.key}x`)).toBeUndefined();
});

test('who holds a key is known, with policy and limits; others are nobody', async () => {
  const path = join(folder(), 'deep', 'keys.json');
  const key = await addKey(path, { policy: 'strict', requestsPerMinute: 5 });
  await addKey(path);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(readFileSync(path, 'utf8')).not.toContain(key.slice(16));
  const keyring = await opened(path);
  expect(keyring.authenticate(`Bearer ${key}`)).toEqual({
    keyId: idOf(key),
    name: 'app',
    policy: 'strict',
    limits: { requestsPerMinute: 5, tokensPerMinute: undefined },
  });
  expect(keyring.authenticate(`bearer  ${key} `)?.name).toBe('app');
  const other = newKey().key;
  const grafted = key.slice(0, 16) + other.slice(16); // the id of one, the secret of another
  for (const header of [
    undefined,
    '',
    key,
    `Basic ${key}`,
    'Bearer',
    `Bearer ${other}`,
    `Bearer ${grafted}`,
    `Bearer ${key} ${key}`,
    `Bearer ${key.slice(0, -1)}`,
  ])
    expect(keyring.authenticate(header)).toBeUndefined();
});

test('a key is over at the moment it expires', async () => {
  const path = join(folder(), 'keys.json');
  const key = await addKey(path, { expires: '2030-01-01T00:00:00.000Z' });
  let now = Date.parse('2029-12-31T23:59:59.999Z');
  const keyring = await opened(path, { now: () => now });
  expect(keyring.authenticate(`Bearer ${key}`)).toBeDefined();
  now++;
  expect(keyring.authenticate(`Bearer ${key}`)).toBeUndefined();
});

test('a running server notices keys that come and go, and lives through a broken file', async () => {
  const path = join(folder(), 'keys.json');
  const first = await addKey(path);
  const problems: string[] = [];
  const keyring = await opened(path, { watchMs: 20, onProblem: (problem) => problems.push(problem) });
  async function becomes(key: string, known: boolean): Promise<void> {
    for (let tries = 0; (keyring.authenticate(`Bearer ${key}`) !== undefined) !== known; tries++) {
      if (tries > 200) throw new Error('the keyring did not notice');
      await sleep(20);
    }
  }
  const second = await addKey(path);
  await becomes(second, true);
  await changeKeys(path, (keys) => keys.filter(({ id }) => id !== idOf(first)));
  await becomes(first, false);
  writeFileSync(path, '{"keys": [');
  await sleep(100);
  expect(keyring.authenticate(`Bearer ${second}`)).toBeDefined();
  // once or twice: the file may be looked at while it is empty, before its half line is there
  expect(problems.length).toBeGreaterThan(0);
  for (const problem of problems) expect(problem).toContain('stay as they were');
  rmSync(path);
  await becomes(second, false);
  expect(problems.at(-1)).toContain('nobody has a key');
});

test('keys that are added at the same time are all kept', async () => {
  const path = join(folder(), 'keys.json');
  await Promise.all(Array.from({ length: 8 }, () => addKey(path)));
  expect(await readKeys(path)).toHaveLength(8);
});

test('a server with a file that is missing or wrong does not begin', async () => {
  const path = join(folder(), 'keys.json');
  await expect(openKeyring(path)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  writeFileSync(
    path,
    JSON.stringify({
      keys: [{ id: '0123456789ab', name: 'a', hash: 'abc', created: '2030-01-01T00:00:00Z' }],
    }),
  );
  await expect(openKeyring(path)).rejects.toThrow(/keys\[0\]\.hash/);
  mkdirSync(`${path}.d`);
  await expect(openKeyring(`${path}.d`)).rejects.toMatchObject({ code: 'BAD_FILE' });
});
