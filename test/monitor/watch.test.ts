import { expect, test } from 'vitest';
import { tokenZ } from '../../src/monitor/baseline.ts';
import { parseWatch, readings, resolveWatches, type Watch, watchReads } from '../../src/monitor/watch.ts';
import { direction, type PersonaVector } from '../../src/vector/vector.ts';
import { A_MODEL, aVector } from '../support/a-vector.ts';

const none = (): boolean => false;

async function watching(vectors: Record<string, PersonaVector>, ...texts: string[]): Promise<Watch[]> {
  const specs = texts.map((text) => parseWatch(text, none));
  const found = await resolveWatches(specs, (name) => Promise.resolve(vectors[name]!), A_MODEL);
  return found.watches;
}

test('VECTOR and VECTOR@LAYER', () => {
  expect(parseWatch('evil', none)).toEqual({ vector: 'evil' });
  expect(parseWatch('runs/a@2/evil.gguf@14', none)).toEqual({ vector: 'runs/a@2/evil.gguf', layer: 14 });
  for (const text of ['', '@2', 'evil=2', 'evil@x', 'evil@', 'evil@2-3'])
    expect(() => parseWatch(text, none), text).toThrow(expect.objectContaining({ code: 'USAGE' }));
});

test('the layer is the one given, else the vector’s', async () => {
  const evil = aVector();
  const watches = await watching({ evil }, 'evil@1');
  expect(watchReads(watches)).toEqual([{ name: 'evil', layer: 1, direction: direction(evil, 1) }]);
  expect((await watching({ evil }, 'evil'))[0]!.layer).toBe(2);
  await expect(watching({ evil }, 'evil@4')).rejects.toMatchObject({ code: 'USAGE' });
  const { layer: _, ...unchosen } = evil;
  await expect(watching({ evil: unchosen }, 'evil')).rejects.toMatchObject({
    code: 'USAGE',
    remedy: expect.stringContaining('evil@2'),
  });
});

test('names tell watches apart, and stay the plain trait where they can', async () => {
  const vectors = { evil: aVector(), 'old/evil': aVector(), kind: aVector({ trait: 'kind' }) };
  const names = async (...texts: string[]): Promise<string[]> =>
    (await watching(vectors, ...texts)).map(({ name }) => name);
  expect(await names('evil', 'kind')).toEqual(['evil', 'kind']);
  expect(await names('evil', 'evil@1', 'kind')).toEqual(['evil@2', 'evil@1', 'kind']);
  expect(await names('evil', 'old/evil')).toEqual(['evil@2', 'old/evil@2']);
  expect(await names('evil', 'evil@2')).toEqual(['evil']);
});

test('readings are the mean, the last, the prediction and their distance from the usual', async () => {
  const watches = await watching({ evil: aVector() }, 'evil');
  const read = { name: 'evil', layer: 2, prompt: -3, tokens: [1, 2, 6] };
  expect(readings(watches, [read])).toEqual({
    evil: { mean: 3, last: 6, prompt: -3, z: (3 - -1.5) / 0.75, tokens: [1, 2, 6] },
  });
  expect(readings(watches, [{ ...read, tokens: [] }])).toEqual({
    evil: { mean: null, last: null, prompt: -3, z: null, tokens: [] },
  });
});

test('without a baseline nothing is called usual', async () => {
  const { baseline, ...vector } = aVector();
  const watches = await watching({ evil: vector }, 'evil');
  const read = { name: 'evil', layer: 2, prompt: 0, tokens: [1] };
  expect(readings(watches, [read]).evil).toMatchObject({ mean: 1, z: null });
  expect(tokenZ(1.5, baseline, 2)).toBe((1.5 - -1.5) / 3);
  expect(tokenZ(1.5, undefined, 2)).toBeNull();
  const flat = { ...baseline!, tokenDeviation: new Float32Array(4) };
  expect(tokenZ(1.5, flat, 2)).toBeNull();
});

test('a vector of another model is not watched', async () => {
  const other = aVector({ model: { ...A_MODEL, name: 'big', sha256: 'c'.repeat(64), layers: 8 } });
  await expect(watching({ evil: other }, 'evil')).rejects.toMatchObject({ code: 'WRONG_MODEL' });
});
