import { join } from 'node:path';
import { expect, test } from 'vitest';
import { plantedHome } from '../support/planted-home.ts';
import { streamedAndProjected } from '../support/streamed-and-projected.ts';

const home = plantedHome();
/** Of the projection, which lies within ±10 here: the cache of keys and values rounds to 16 bits. */
const DIGITS = 2;

test('what streams say of their tokens is what persona project says of the finished texts', async () => {
  const pairs = await streamedAndProjected(
    home.folder,
    ['--model', home.model, '--threads', '1'],
    { path: join(home.folder, 'vectors/pish.gguf'), trait: 'pish', layer: 2 },
    ['say P', 'aNb c', 'what of the river.'],
    { temperature: 0.6, seed: 4, max_tokens: 24, ignore_eos: true },
  );
  for (const { text, streamed, projected, ofChunks } of pairs) {
    expect(text).toHaveLength(24); // an end mark that was passed over is a token without text, which would not come back
    expect(streamed.mean).toBeCloseTo(projected.mean, DIGITS);
    expect(streamed.z).toBeCloseTo(projected.z, DIGITS);
    expect(streamed.prompt).toBeCloseTo(projected.prompt, DIGITS);
    expect(ofChunks.mean).toBeCloseTo(streamed.mean, 6);
  }
  expect(new Set(pairs.map(({ projected }) => projected.mean.toFixed(2))).size).toBe(3);
});
