import { copyFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { PackagedModel } from '../../src/model/catalog.ts';
import { modelFileHash } from '../../src/model/identity.ts';
import { pullPackaged } from '../../src/model/pull-packaged.ts';
import type { ResolveOptions } from '../../src/model/resolved-model.ts';
import { fakeGguf, sha256Of } from './hub-server.ts';
import { temporaryHome } from './temporary-home.ts';
import { zip } from './zip.ts';

const content = fakeGguf(100_000);

const model: PackagedModel = {
  name: 'tiny',
  license: 'MIT',
  file: 'tiny.Q4_1.gguf',
  bytes: content.length,
  sha256: sha256Of(content),
  wheels: [
    { requirement: 'tiny-a==1', bytes: 60_000, entry: 'a/part0' },
    { requirement: 'tiny-b==1', bytes: 40_000, entry: 'b/part1' },
  ],
  derived: { file: 'tiny.Q8_0.gguf', type: 'Q8_0' },
};

/** A models folder with wheels that the stand-in for pip finds, and a quantiser that copies. */
async function setUp() {
  const home = await temporaryHome();
  const wheels = join(home.path, 'wheels');

  await mkdir(wheels);
  await writeFile(
    join(wheels, 'tiny-a.whl'),
    zip({ 'a/__init__.py': Buffer.from(''), 'a/part0': content.subarray(0, 60_000) }),
  );
  await writeFile(join(wheels, 'tiny-b.whl'), zip({ 'b/part1': content.subarray(60_000) }));
  const notes: string[] = [];
  const quantized: unknown[] = [];
  const options: ResolveOptions = {
    home: home.path,
    pip: [['no-such-command'], [process.execPath, join(import.meta.dirname, 'fake-pip.ts'), wheels]],
    onNote: (note) => notes.push(note),
    quantize: async (source, target, type, how) => {
      quantized.push([type, how]);
      await copyFile(source, target);
    },
  };
  const models = join(home.path, 'models');
  return {
    models,
    folder: join(models, 'tiny'),
    wheels,
    notes,
    quantized,
    options,
    [Symbol.asyncDispose]: home[Symbol.asyncDispose],
  };
}

test('pieces are joined and checked, a Q8_0 is made once, both stay, nothing else does', async () => {
  await using at = await setUp();
  const labels: string[] = [];
  const options: ResolveOptions = {
    ...at.options,
    onProgress: ({ label, done, total }) => labels.push(`${label} ${done === total}`),
  };
  const pulled = await pullPackaged(model, undefined, at.models, options);
  expect(pulled).toEqual({
    path: join(at.folder, 'tiny.Q8_0.gguf'),
    name: 'tiny',
    source: 'pip tiny-a==1 tiny-b==1',
  });
  expect(await readFile(join(at.folder, 'tiny.Q4_1.gguf'))).toEqual(content);
  expect((await readdir(at.folder)).sort()).toEqual(['.lock', 'tiny.Q4_1.gguf', 'tiny.Q8_0.gguf']);
  expect(at.quantized).toEqual([['Q8_0', { allowRequantize: true }]]);
  expect(at.notes.join('\n')).toMatch(/licence: MIT[^]*keeping both[^]*Q4_1 has no fast batched CPU kernel/);
  expect(labels).toEqual(expect.arrayContaining(['fetching tiny true', 'unpacking tiny.Q4_1.gguf true']));
  expect(await pullPackaged(model, undefined, at.models, { ...at.options, pip: [], offline: true })).toEqual(
    pulled,
  );
});

test('the packaged quantisation can be asked for, and then no other is made', async () => {
  await using at = await setUp();
  const pulled = await pullPackaged(model, 'q4_1', at.models, at.options);
  expect(pulled).toMatchObject({ path: join(at.folder, 'tiny.Q4_1.gguf'), name: 'tiny:Q4_1' });
  expect(at.quantized).toEqual([]);
  await expect(pullPackaged(model, 'F16', at.models, at.options)).rejects.toThrow(
    /it comes as Q8_0 and Q4_1/,
  );
});

test('a derived file is made from what is here, also offline', async () => {
  await using at = await setUp();
  await pullPackaged(model, 'Q4_1', at.models, at.options);
  await pullPackaged(model, undefined, at.models, { ...at.options, pip: [], offline: true });
  expect(at.quantized).toHaveLength(1);
});

test('a quantiser that fails leaves the packaged file and no half of the other', async () => {
  await using at = await setUp();
  const quantize = async (_source: string, target: string): Promise<void> => {
    await writeFile(target, 'half');
    throw new Error('no memory');
  };
  await expect(pullPackaged(model, undefined, at.models, { ...at.options, quantize })).rejects.toThrow(
    'no memory',
  );
  expect((await readdir(at.folder)).sort()).toEqual(['.lock', 'tiny.Q4_1.gguf']);
});

test('other content names both hashes and leaves nothing', async () => {
  await using at = await setUp();
  const pull = pullPackaged({ ...model, sha256: 'c'.repeat(64) }, undefined, at.models, at.options);
  await expect(pull).rejects.toMatchObject({
    code: 'DOWNLOAD',
    message: expect.stringContaining(`expected sha256 ${'c'.repeat(64)}, got ${sha256Of(content)}`),
  });
  expect(await readdir(at.folder)).toEqual(['.lock']);
});

test('a wheel without the piece, or a broken one, is a clear error', async () => {
  await using at = await setUp();
  await writeFile(join(at.wheels, 'tiny-b.whl'), zip({ 'b/other': content }));
  await expect(pullPackaged(model, undefined, at.models, at.options)).rejects.toThrow(/holds no b\/part1/);
  const broken = zip({ 'b/part1': content.subarray(60_000) });
  broken.fill(0, 2000, 3000);
  await writeFile(join(at.wheels, 'tiny-b.whl'), broken);
  await expect(pullPackaged(model, undefined, at.models, at.options)).rejects.toMatchObject({
    code: 'DOWNLOAD',
    message: expect.stringMatching(/is broken|expected/),
  });
  await writeFile(join(at.wheels, 'tiny-b.whl'), 'not a zip');
  await expect(pullPackaged(model, undefined, at.models, at.options)).rejects.toThrow(/not a readable wheel/);
});

test('a failing pip is quoted; a missing one is named', async () => {
  await using at = await setUp();
  await rm(join(at.wheels, 'tiny-a.whl'));
  await expect(pullPackaged(model, undefined, at.models, at.options)).rejects.toMatchObject({
    code: 'DOWNLOAD',
    message: expect.stringMatching(/exit 1[^]*No matching distribution found for tiny-a==1/),
    remedy: expect.stringContaining('--model PATH'),
  });
  await expect(
    pullPackaged(model, undefined, at.models, { ...at.options, pip: [['no-such-command']] }),
  ).rejects.toMatchObject({
    code: 'DOWNLOAD',
    remedy: expect.stringContaining('Install Python'),
  });
  await expect(pullPackaged(model, undefined, at.models, { ...at.options, offline: true })).rejects.toThrow(
    /offline/,
  );
});

test('a stop ends pip and clears what it left', async () => {
  await using at = await setUp();
  const hanging: PackagedModel = { ...model, wheels: [{ requirement: 'hangs==1', bytes: 1, entry: 'x' }] };
  const pull = pullPackaged(hanging, undefined, at.models, {
    ...at.options,
    signal: AbortSignal.timeout(300),
  });
  await expect(pull).rejects.toMatchObject({ code: 'ABORTED' });
  expect(await readdir(at.folder)).toEqual(['.lock']);
});

test('two pulls at once in one process make one file, and what a killed run left is cleared', async () => {
  await using at = await setUp();

  await mkdir(join(at.folder, '.fetch', '0'), { recursive: true });
  await writeFile(join(at.folder, '.fetch', '0', 'old.whl'), 'old');
  await Promise.all([1, 2].map(() => pullPackaged(model, undefined, at.models, at.options)));
  expect(at.quantized).toHaveLength(1);
  expect(at.notes).toContain('another process is fetching tiny; waiting for it');
});

test('the packaged file’s hash is known without reading it', async () => {
  await using at = await setUp();
  const { path } = await pullPackaged(model, 'Q4_1', at.models, at.options);
  const home = at.options.home!;
  expect(await modelFileHash(path, { home, onProgress: () => expect.unreachable() })).toBe(model.sha256);
});
