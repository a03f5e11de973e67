/** The figures of a diff, worked by hand on rows of width 2. */

import { expect, test } from 'vitest';
import type { Watch } from '../../../src/monitor/watch.ts';
import { layersToRead } from '../../../src/screen/diff/plan.ts';
import { shiftsOf } from '../../../src/screen/diff/figures.ts';
import { shortNames, stepsIn } from '../../../src/screen/diff/trajectory.ts';
import { A_MODEL, aVector } from '../../support/a-vector.ts';

const model = { ...A_MODEL, layers: 2, width: 2 };
function watch(name: string, directions: number[], layer = 1): Watch {
  const vector = aVector({ trait: name, model, directions: Float32Array.from(directions) });
  delete vector.baseline;
  return { name, source: `${name}.gguf`, vector, layer };
}
const row = (...values: number[]): Float32Array => Float32Array.from(values);

test('two prompts, two layers, one vector of length 5', () => {
  // layer 0 stays; at layer 1 the prompts move by [3, 4] and [3, 0]
  const pairs = [
    { base: row(1, 1, 0, 0), tuned: row(1, 1, 3, 4) },
    { base: row(1, 1, 3, 4), tuned: row(1, 1, 6, 4) },
  ];
  const evil = watch('evil', [1, 0, 3, 4]);
  const { prompts, layers, vectors } = shiftsOf(pairs, [0, 1], 2, [evil]);
  expect(prompts).toBe(2);
  const own = vectors[0]!.own;
  // along [0.6, 0.8]: 5 and 1.8; the base's projections are 0 and 5
  expect(own.shift).toMatchObject({ n: 2 });
  expect(own.shift.mean).toBeCloseTo(3.4, 6);
  expect(own.shift.low).toBeCloseTo(1.8, 6);
  expect(own.shift.high).toBeCloseTo(5, 6);
  expect(own.spread).toBeCloseTo(5 / Math.SQRT2, 6);
  expect(own.sd!.mean).toBeCloseTo((3.4 * Math.SQRT2) / 5, 6);
  expect(own.p).toBe(2 / 4); // of ±5 ± 1.8 two reach 6.8
  // the mean shift is [3, 2]
  expect(own.cosine).toBeCloseTo((3 * 3 + 2 * 4) / (5 * Math.sqrt(13)), 6);
  expect(layers[1]!.norm).toBeCloseTo(Math.sqrt(13), 6);
  expect(layers[1]!.relative).toBeCloseTo(Math.sqrt(13) / 2.5, 6);
  expect(layers[1]!.spanned).toBeCloseTo(3.4 ** 2 / 13, 6);
  // nothing moved at layer 0, where the base's projections are all 1
  expect(vectors[0]!.layers[0]).toMatchObject({ shift: { mean: 0, low: 0, high: 0 }, sd: null, p: 1, cosine: null }); // prettier-ignore
  expect(layers[0]).toEqual({ layer: 0, norm: 0, relative: 0, spanned: null });
});

test('two vectors span the plane, also where they are nearly parallel; a zero row says nothing', () => {
  const pairs = [{ base: row(1, 0, 1, 0), tuned: row(2, 5, 1, 7) }];
  const [a, b] = [watch('a', [0, 0, 1, 0]), watch('b', [1, 1, 1, 0.01])];
  const { layers, vectors } = shiftsOf(pairs, [0, 1], 2, [a, b]);
  expect(layers[1]!.spanned).toBeCloseTo(1, 6);
  expect(layers[0]!.spanned).toBeCloseTo(36 / (2 * 26), 6); // of [1, 5] along [1, 1]/√2
  expect(vectors[0]!.layers.map(({ layer }) => layer)).toEqual([1]);
  expect(vectors[1]!.layers.map(({ layer }) => layer)).toEqual([0, 1]);
});

test('the shift in deviations of neutral answers, where the vector knows them', () => {
  const evil = { ...watch('evil', [1, 0, 1, 0]), vector: aVector({ model, directions: row(1, 0, 1, 0) }) };
  const [own] = shiftsOf([{ base: row(0, 0, 1, 0), tuned: row(0, 0, 3, 0) }], [0, 1], 2, [evil]).vectors;
  expect(own!.own.neutralSd).toBeCloseTo(2 / 0.5, 6); // a-vector: 0.25 · (layer + 1)
  expect(own!.own.sd).toBeNull(); // one prompt has no spread
});

test('checkpoints are ordered by the one number that tells them apart', () => {
  expect(stepsIn(['r/checkpoint-200.gguf', 'r/checkpoint-50.gguf'])).toEqual([200, 50]);
  expect(stepsIn(['run2/c-10/a.gguf', 'run2/c-9/a.gguf'])).toEqual([10, 9]);
  expect(stepsIn(['a1.gguf', 'b2.gguf'])).toBeUndefined();
  expect(stepsIn(['a1-1', 'a2-2'])).toBeUndefined();
  expect(stepsIn(['a-1', 'a-01'])).toBeUndefined();
  expect(stepsIn(['a-1'])).toBeUndefined();
  expect(shortNames(['x/a.gguf', 'y/b.GGUF'])).toEqual(['a', 'b']);
  expect(shortNames(['c-1/m.gguf', 'c-2/m.gguf'])).toEqual(['c-1/m', 'c-2/m']);
});

test('where all layers would not fit into memory, those asked for are read, which is said', () => {
  const large = { ...A_MODEL, layers: 80, width: 8192 };
  const watches = [watch('a', [1, 0, 1, 0], 40), watch('b', [1, 0, 1, 0], 12), watch('c', [1, 0, 1, 0], 40)];
  const notes: string[] = [];
  const engine = { onNote: (note: string) => notes.push(note) };
  expect(layersToRead(large, watches, 400, { engine })).toHaveLength(80); // 2 × 400 × 80 × 8192 × 4 B = 1.95 GiB
  expect(notes).toEqual([]);
  expect(layersToRead(large, watches, 400, { engine, answers: { maxTokens: 1 } })).toEqual([12, 40]);
  expect(notes).toEqual(['400 prompts at all 80 layers would take 4 GiB: only the layers 12, 40 are read']);
});
