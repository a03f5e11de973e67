import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { resolveModel } from '../../src/model/pull.ts';
import { fakeGguf } from './hub-server.ts';
import { temporaryHome } from './temporary-home.ts';

test('a path is used as it is', async () => {
  await using home = await temporaryHome();
  const path = join(home.path, 'My.Q8_0.gguf');
  await writeFile(path, fakeGguf(10));
  expect(await resolveModel(path)).toEqual({ path, name: 'My.Q8_0', source: 'file' });
});

test('any part of a split model stands for its first; a missing part is named', async () => {
  await using home = await temporaryHome();
  const part = (i: number): string => join(home.path, `m-0000${i}-of-00002.gguf`);
  await writeFile(part(2), fakeGguf(10));
  await expect(resolveModel(part(2))).rejects.toThrow(/part 1 of 2 of the model is missing/);
  await writeFile(part(1), fakeGguf(10));
  expect(await resolveModel(part(2))).toEqual({ path: part(1), name: 'm', source: 'file' });
});

test.each([
  ['version https://git-lfs.github.com/spec/v1', /Git LFS pointer/],
  ['PK\x03\x04rest', /zip archive/],
  ['\x40\0\0\0\0\0\0\0{"a":1}', /safetensors/],
  ['<html>', /begins with "<htm"/],
  ['', /it is empty/],
])('%j is not taken for a GGUF file', async (content, message) => {
  await using home = await temporaryHome();
  const path = join(home.path, 'x.gguf');
  await writeFile(path, content, 'latin1');
  await expect(resolveModel(path)).rejects.toMatchObject({
    code: 'BAD_FILE',
    message: expect.stringMatching(message),
  });
});

test('nothing there, a folder there, a name that nobody knows', async () => {
  await using home = await temporaryHome();
  await expect(resolveModel(join(home.path, 'x.gguf'))).rejects.toMatchObject({
    code: 'NOT_FOUND',
    message: expect.stringContaining('no such file'),
  });
  await mkdir(join(home.path, 'folder'));
  await expect(resolveModel(join(home.path, 'folder'))).rejects.toMatchObject({
    code: 'BAD_FILE',
    message: expect.stringContaining('is a folder'),
  });
  await expect(resolveModel('smollm3')).rejects.toMatchObject({
    code: 'NOT_FOUND',
    message: expect.stringContaining('called "smollm3"'),
    remedy: expect.stringContaining('smollm2-135m-instruct'),
  });
});

test('without a name the default model is meant, and said', async () => {
  await using home = await temporaryHome();
  const notes: string[] = [];
  const options = { home: home.path, offline: true, onNote: (note: string) => notes.push(note) };
  await expect(resolveModel(undefined, options)).rejects.toThrow(
    /smollm2-135m-instruct is not in .* offline/,
  );
  expect(notes).toEqual(['no model was named: using smollm2-135m-instruct']);
  await expect(resolveModel('SmolLM2-135M-Instruct:F16', options)).rejects.toThrow(/comes as Q8_0 and Q4_1/);
});
