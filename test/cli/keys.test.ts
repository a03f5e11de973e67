import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openKeyring } from '../../src/server/keys/keyring.ts';
import { folder } from '../support/folder.ts';
import { PERSONA, runCli } from '../support/run-cli.ts';

function keys(file: string, ...args: string[]) {
  return runCli(PERSONA, ['keys', ...args, '--file', file]);
}

test('a key is made, shown once, listed without itself, works, and is taken back', async () => {
  const file = join(folder(), 'keys.json');
  const made = await keys(
    file,
    'add',
    'website',
    '--policy',
    'strict',
    '--requests-per-minute',
    '60',
    '--expires',
    '90d',
  );
  expect(made.code).toBe(0);
  expect(made.stdout).toMatch(/^pk_\S+\n$/);
  const key = made.stdout.trim();
  const secret = key.slice('pk_0123456789ab_'.length);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(readFileSync(file, 'utf8')).not.toContain(secret);

  using keyring = await openKeyring(file);
  const holder = keyring.authenticate(`Bearer ${key}`)!;
  expect(holder).toMatchObject({ policy: 'strict', limits: { requestsPerMinute: 60 } });

  const list = await keys(file, 'ls');
  expect(list.stdout).toMatch(new RegExp(`${holder.keyId}\\s+website\\s+strict\\s+60`));
  const document = await keys(file, 'ls', '--json');
  const entry = (JSON.parse(document.stdout) as { keys: Record<string, string>[] }).keys[0]!;
  expect(Date.parse(entry['expires']!) - Date.parse(entry['created']!)).toBe(90 * 86_400_000);
  expect(list.stdout + document.stdout + made.stderr).not.toContain(secret);
  expect(entry).not.toHaveProperty('hash');

  expect((await keys(file, 'rm', holder.keyId)).code).toBe(0);
  await keyring.reload();
  expect(keyring.authenticate(`Bearer ${key}`)).toBeUndefined();
});

test('what makes no sense is refused', async () => {
  const file = join(folder(), 'keys.json');
  const asked = [
    ['add', 'a\nb'],
    ['add', 'a', '--requests-per-minute', '0'],
    ['add', 'a', '--expires', '9999999d'],
    ['rm', '0123456789ab'],
  ];
  const codes = await Promise.all(asked.map(async (args) => (await keys(file, ...args)).code));
  expect(codes).toEqual([2, 2, 2, 1]);
});
