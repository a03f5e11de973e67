import { expect, test } from 'vitest';
import { commonLayer, compareAt } from '../../src/vector/compare.ts';
import { A_MODEL, aVector } from '../support/a-vector.ts';

const model = { ...A_MODEL, layers: 2, width: 2 };
const of = (name: string, ...rows: number[]): { name: string; vector: ReturnType<typeof aVector> } => ({
  name,
  vector: aVector({ model, directions: Float32Array.from(rows), layer: 1 }),
});

test('cosines of all pairs at one layer; a zero direction has none', () => {
  const vectors = [of('a', 1, 0, 3, 4), of('b', 1, 0, 4, 3), of('c', 1, 0, 0, 0)];
  const [ab, ac, bc] = compareAt(vectors, 1);
  expect(ab).toMatchObject({ a: 'a', b: 'b', cosine: expect.closeTo(0.96, 6) });
  expect([ac!.cosine, bc!.cosine]).toEqual([null, null]);
  expect(compareAt(vectors, 0).map(({ cosine }) => cosine)).toEqual([1, 1, 1]);
});

const dealt = (cosineSd: number[]) => ({ repeats: 1000, samples: 40, p: [0.01, 0.01], cosineSd });

test('the band of chance is the wider of the two, where both know theirs', () => {
  const [a, b] = [of('a', 1, 0, 3, 4), of('b', 1, 0, 4, 3)];
  expect(compareAt([a, b], 1)[0]!.band).toEqual({ half: 1.96 / Math.SQRT2, by: 'isotropic' });
  a.vector.quality = { permutation: dealt([0.1, 0.2]) };
  expect(compareAt([a, b], 1)[0]!.band.by).toBe('isotropic');
  b.vector.quality = { permutation: dealt([0.3, 0.1]) };
  expect(compareAt([a, b], 1)[0]!.band).toEqual({ half: 1.96 * 0.2, by: 'permutation' });
  expect(compareAt([a, b], 0)[0]!.band).toEqual({ half: 1.96 * 0.3, by: 'permutation' });
  b.vector.quality = { permutation: dealt('x' as never) }; // not checked when read
  expect(compareAt([a, b], 0)[0]!.band.by).toBe('isotropic');
});

test('the layer to compare at is what most were tuned to', () => {
  const at = (layer: number): { name: string; vector: ReturnType<typeof aVector> } => ({
    name: 'v',
    vector: aVector({ layer }),
  });
  expect(commonLayer([at(1), at(2), at(2)])).toBe(2);
  expect(commonLayer([at(1), at(3)])).toBe(3);
  const { layer: _, ...untuned } = aVector();
  expect(commonLayer([{ name: 'v', vector: untuned }])).toBeUndefined();
});
