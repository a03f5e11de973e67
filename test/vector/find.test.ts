import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { writeVector } from '../../src/vector/file.ts';
import { findVector, splitVector, vectorFinder, vectorPath } from '../../src/vector/find.ts';
import { listVectorFiles } from '../../src/vector/list.ts';
import { aVector } from '../support/a-vector.ts';
import { folder } from '../support/folder.ts';

test('a vector ends where a file ends, else after .gguf, else before the first separator', () => {
  const split = (text: string, ...files: string[]): [string, string] =>
    splitVector(text, (path) => files.includes(path));
  expect(split('evil=2@14')).toEqual(['evil', '=2@14']);
  expect(split('a/b=c/evil.gguf=2')).toEqual(['a/b=c/evil.gguf', '=2']);
  expect(split('a/b=c/evil=2', 'a/b=c/evil')).toEqual(['a/b=c/evil', '=2']);
  expect(split('a/b')).toEqual(['a/b', '']);
  expect(split('evil')).toEqual(['evil', '']);
  expect(split('=2')).toEqual(['', '=2']);
  expect(split('/all')).toEqual(['/all', '']);
});

test('a path, or a name of the vectors folder', async () => {
  const vectors = folder();
  const path = join(vectors, 'evil.gguf');
  await writeVector(path, aVector());
  expect(await vectorPath(path, '/nowhere')).toBe(path);
  expect(await vectorPath('evil', vectors)).toBe(path);
  expect((await findVector('evil', vectors)).trait).toBe('evil');
  const find = vectorFinder(vectors);
  expect(await find('evil')).toBe(await find('evil'));
});

test('what is not there is told with what is', async () => {
  const vectors = folder();
  await expect(vectorPath('evil', vectors)).rejects.toMatchObject({
    code: 'NOT_FOUND',
    message: 'there is no vector file or name "evil"',
    remedy: expect.stringContaining('holds none yet'),
  });
  await writeVector(join(vectors, 'humorous.gguf'), aVector());
  await expect(vectorPath('humor', vectors)).rejects.toMatchObject({ remedy: 'Did you mean humorous?' });
  await expect(vectorPath('xyz', vectors)).rejects.toMatchObject({
    remedy: expect.stringContaining('There are humorous.'),
  });
  await expect(vectorPath('../humorous', join(vectors, 'below'))).rejects.toMatchObject({
    code: 'NOT_FOUND',
  });
  await expect(vectorPath(vectors, vectors)).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

test('a folder’s vectors are its .gguf files', async () => {
  const vectors = folder();
  mkdirSync(join(vectors, 'more'));
  for (const name of ['b.gguf', 'a.gguf', '.hidden.gguf', 'notes.txt'])
    await writeVector(join(vectors, name), aVector());
  expect(await listVectorFiles(vectors)).toEqual([join(vectors, 'a.gguf'), join(vectors, 'b.gguf')]);
  expect(await listVectorFiles(join(vectors, 'none'))).toEqual([]);
});
