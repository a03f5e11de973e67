import { readFile, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { modelFileHash, rememberHash } from '../../src/model/identity.ts';
import type { Progress } from '../../src/model/progress.ts';
import { fakeGguf, sha256Of } from './hub-server.ts';
import { temporaryHome } from './temporary-home.ts';

test('a file is hashed once, and again when it has changed', async () => {
  await using home = await temporaryHome();
  const path = join(home.path, 'm.gguf');
  const content = fakeGguf(3_000_000);
  await writeFile(path, content);
  const progress: Progress[] = [];
  const options = { home: home.path, onProgress: (step: Progress) => void progress.push(step) };
  expect(await modelFileHash(path, options)).toBe(sha256Of(content));
  expect(progress.at(-1)).toEqual({ label: 'checking m.gguf', done: 3_000_000, total: 3_000_000, unit: 'B' });

  progress.length = 0;
  await symlink(path, join(home.path, 'link.gguf'));
  expect(await modelFileHash(join(home.path, 'link.gguf'), options)).toBe(sha256Of(content));
  expect(progress).toEqual([]);

  content[100]! ^= 1;
  await writeFile(path, content);
  await utimes(path, new Date(), new Date(Date.now() + 5000));
  expect(await modelFileHash(path, options)).toBe(sha256Of(content));
  expect(progress.length).toBeGreaterThan(0);
});

test('a broken cache counts as empty, and only what is a hash is believed', async () => {
  await using home = await temporaryHome();
  const path = join(home.path, 'm.gguf');
  const content = fakeGguf(1000);
  await writeFile(path, content);
  for (const broken of ['{', 'null', '[]']) {
    await writeFile(join(home.path, 'model-hashes.json'), broken);
    expect(await modelFileHash(path, { home: home.path })).toBe(sha256Of(content));
  }
  await rememberHash(path, 'no hash', home.path);
  expect(await modelFileHash(path, { home: home.path })).toBe(sha256Of(content));
});

test('the cache does not grow without bound', async () => {
  await using home = await temporaryHome();
  const store = join(home.path, 'model-hashes.json');
  const many = Object.fromEntries(Array.from({ length: 600 }, (_, i) => [`/m${i}|1|1`, 'a'.repeat(64)]));
  await writeFile(store, JSON.stringify(many));
  const path = join(home.path, 'm.gguf');
  await writeFile(path, fakeGguf(10));
  await modelFileHash(path, { home: home.path });
  const kept = Object.keys(JSON.parse(await readFile(store, 'utf8')) as object);
  expect(kept).toHaveLength(500);
  expect(kept.at(-1)).toContain('m.gguf');
});

test('a home that cannot be written costs nothing but time; a stop is a stop', async () => {
  await using home = await temporaryHome();
  const path = join(home.path, 'm.gguf');
  const content = fakeGguf(10);
  await writeFile(path, content);
  expect(await modelFileHash(path, { home: path })).toBe(sha256Of(content));
  const stopped = modelFileHash(path, { home: home.path, signal: AbortSignal.abort() });
  await expect(stopped).rejects.toMatchObject({ code: 'ABORTED' });
});
