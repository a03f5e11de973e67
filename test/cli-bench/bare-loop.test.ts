/** The bare loop does the engine's work: only then is its speed a measure. */

import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openBareLoop } from '../../src/engine/bare-loop.ts';
import { openEngine } from '../../src/engine/engine.ts';
import { folder } from '../support/folder.ts';
import { writeTinyModel } from '../tiny/tiny-model.ts';

const OPTIONS = { parallel: 3, context: 256, batch: 32, threads: 1 };

test('writes what the engine writes, also for prompts longer than a batch', async () => {
  const options = { ...OPTIONS, modelPath: join(folder(), 'tiny.gguf') };
  await writeTinyModel({ path: options.modelPath, architecture: 'llama' });
  await using bare = await openBareLoop(options);
  await using engine = await openEngine(options);
  const prompts = [[65, 66, 67], Array.from({ length: 70 }, (_, i) => 40 + i), [90]];
  const { answers, seconds } = await bare.decode(prompts, 24);
  const theirs = await Promise.all(
    prompts.map((prompt) =>
      engine.run({ prompt, maxTokens: 24, ignoreEnd: true, sampling: { temperature: 0 } }),
    ),
  );
  expect(answers).toEqual(theirs.map(({ tokens }) => tokens));
  expect(seconds).toBeGreaterThan(0);
  expect((await bare.decode(prompts, 24)).answers).toEqual(answers); // nothing is left of the run before
});

test('says why it cannot start', async () => {
  const missing = { ...OPTIONS, modelPath: join(folder(), 'missing.gguf') };
  await expect(openBareLoop(missing)).rejects.toMatchObject({
    code: 'ENGINE_FAILED',
    message: expect.stringContaining('missing.gguf'),
  });
});
