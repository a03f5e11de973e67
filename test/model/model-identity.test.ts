/** What a model's header says is what the engine finds. */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openChatModel } from '../../src/model/chat-model.ts';
import { writeGguf } from '../../src/model/gguf-write.ts';
import { readIdentity } from '../../src/model/model-identity.ts';
import { TINY_ARCHITECTURES, writeTinyModel } from '../tiny/tiny-model.ts';
import { fakeGguf } from './hub-server.ts';
import { temporaryHome } from './temporary-home.ts';

test.each(TINY_ARCHITECTURES)('%s: the same as of the opened model', async (architecture) => {
  await using home = await temporaryHome();
  const path = join(home.path, `${architecture}-F32.gguf`);
  await writeTinyModel({ path, architecture });
  await using model = await openChatModel({ model: path, home: home.path, threads: 1, parallel: 1 });
  expect(await readIdentity(path, { home: home.path })).toEqual(model.identity);
});

test('a template that was given counts, not the own one', async () => {
  await using home = await temporaryHome();
  const path = join(home.path, 'tiny.gguf');
  await writeTinyModel({ path, architecture: 'llama' });
  const options = { home: home.path, chatTemplate: '{{ messages }}' };
  await using model = await openChatModel({ ...options, model: path, threads: 1, parallel: 1 });
  const identity = await readIdentity(path, options);
  expect(identity).toEqual(model.identity);
  expect(identity.templateSha256).not.toBe((await readIdentity(path, { home: home.path })).templateSha256);
});

test('a file that is no model says so', async () => {
  await using home = await temporaryHome();
  const path = join(home.path, 'vector.gguf');
  await writeGguf({ path, metadata: [['general.architecture', { type: 'string', value: 'controlvector' }]] });
  await expect(readIdentity(path, { home: home.path })).rejects.toMatchObject({
    code: 'BAD_FILE',
    message: `${path}: controlvector.block_count is absent: this is no language model`,
  });
  await writeFile(path, fakeGguf(1000).subarray(0, 3));
  await expect(readIdentity(path, { home: home.path })).rejects.toMatchObject({ code: 'BAD_FILE' });
});
