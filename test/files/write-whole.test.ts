import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { writeWhole } from '../../src/files/write-whole.ts';
import { folder } from '../support/folder.ts';
import { killAfter } from '../support/kill-child.ts';

test('writes text and bytes, makes folders on the way, and leaves nothing else behind', async () => {
  const base = folder();
  await writeWhole(join(base, 'a/b/text.txt'), 'späť');
  await writeWhole(join(base, 'a/b/bytes.bin'), Uint8Array.of(0, 255, 10));
  expect(readFileSync(join(base, 'a/b/text.txt'), 'utf8')).toBe('späť');
  expect([...readFileSync(join(base, 'a/b/bytes.bin'))]).toEqual([0, 255, 10]);
  expect(readdirSync(join(base, 'a/b')).sort()).toEqual(['bytes.bin', 'text.txt']);
});

test('keeps the permissions of the file that it replaces', async () => {
  const path = join(folder(), 'secret.json');
  writeFileSync(path, 'old');
  chmodSync(path, 0o600);
  await writeWhole(path, 'new');
  expect(readFileSync(path, 'utf8')).toBe('new');
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test('follows a link instead of replacing it', async () => {
  const base = folder();
  writeFileSync(join(base, 'real'), 'old');
  symlinkSync(join(base, 'real'), join(base, 'link'));
  await writeWhole(join(base, 'link'), 'new');
  expect(readFileSync(join(base, 'real'), 'utf8')).toBe('new');
  expect(readlinkSync(join(base, 'link'))).toBe(join(base, 'real'));
});

test('writes straight to a device', async () => {
  await writeWhole('/dev/null', 'gone');
  expect(statSync('/dev/null').isCharacterDevice()).toBe(true);
});

test('a failure names the file and leaves neither it nor a temporary one', async () => {
  const base = folder();
  mkdirSync(join(base, 'taken'));
  writeFileSync(join(base, 'file'), '');
  await expect(writeWhole(join(base, 'taken'), 'x')).rejects.toMatchObject({
    code: 'BAD_FILE',
    message: `cannot write ${join(base, 'taken')}: it is a folder`,
  });
  await expect(writeWhole(join(base, 'file/below'), 'x')).rejects.toMatchObject({
    message: `cannot write ${join(base, 'file/below')}: a part of its path is a file, not a folder`,
    remedy: 'Check the path.',
  });
  // bytes that cannot be written: the temporary file exists by then
  const wrong = 42 as unknown as string;
  await expect(writeWhole(join(base, 'wrong'), wrong)).rejects.toMatchObject({ code: 'BAD_FILE' });
  expect(readdirSync(base).sort()).toEqual(['file', 'taken']);
});

test('a process killed while it writes leaves the file whole', async () => {
  const path = join(folder(), 'letters');
  for (const lines of [1, 3, 5]) {
    const written = await killAfter(lines, './rewrite-forever.ts', path);
    expect(existsSync(path)).toBe(true);
    const text = readFileSync(path, 'utf8');
    expect(text.length).toBe(4 * 2 ** 20);
    expect(new Set(text).size).toBe(1);
    expect(text.charCodeAt(0) - 97).toBeGreaterThanOrEqual(written.length - 1); // never older than what was said
  }
});
