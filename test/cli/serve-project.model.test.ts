/** The streamed readings of the default model beside those of persona project, in the user's own cache of models. */

import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openChatModel } from '../../src/model/chat-model.ts';
import { writeVector } from '../../src/vector/file.ts';
import { aVector } from '../support/a-vector.ts';
import { folder } from '../support/folder.ts';
import { streamedAndProjected } from '../support/streamed-and-projected.ts';

/** Of the deviation of the answer's tokens among themselves. */
const TOLERANCE = 0.02;
const LAYER = 14;
const QUESTIONS = ['How was your day?', 'What is a good plan for Sunday?', 'Tell me of the sea.'];

test('what streams say of their tokens is what persona project says of the finished texts', async () => {
  const cwd = folder();
  const path = join(cwd, 'any.gguf');
  {
    await using model = await openChatModel({ parallel: 2, threads: 1 });
    await writeVector(path, { ...aVector({ model: model.identity }), trait: 'any', layer: LAYER });
  }
  const pairs = await streamedAndProjected(
    cwd,
    ['--threads', '1'],
    { path, trait: 'any', layer: LAYER },
    QUESTIONS,
    { temperature: 0, max_tokens: 48 },
  );
  for (const { streamed, projected, ofChunks, text } of pairs) {
    const off = (a: number, b: number): number => Math.abs(a - b) / ofChunks.deviation;
    expect(text.length).toBeGreaterThan(20);
    expect(off(streamed.mean, projected.mean)).toBeLessThan(TOLERANCE);
    expect(off(streamed.prompt, projected.prompt)).toBeLessThan(TOLERANCE);
    expect(off(ofChunks.mean, streamed.mean)).toBeLessThan(1e-6);
  }
});
