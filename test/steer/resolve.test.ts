import { expect, test } from 'vitest';
import { norm } from '../../src/math/vector.ts';
import { resolveSteering, type Steering } from '../../src/steer/resolve.ts';
import { parseSpec } from '../../src/steer/spec.ts';
import { direction, type PersonaVector } from '../../src/vector/vector.ts';
import { A_MODEL, aVector } from '../support/a-vector.ts';

async function resolve(text: string, vector: PersonaVector = aVector()): Promise<Steering> {
  return await resolveSteering([parseSpec(text, () => false)], () => Promise.resolve(vector), A_MODEL);
}

test('a bare name uses the layer and coefficient of the vector', async () => {
  const vector = aVector();
  const { edits, applied, notes } = await resolve('evil', vector);
  const row = direction(vector, 2);
  expect(edits).toEqual([{ op: 'add', layer: 2, direction: row, coefficient: 1.5, scope: 'response' }]);
  expect(applied).toEqual([
    {
      vector: 'evil',
      trait: 'evil',
      op: 'add',
      layer: 2,
      scope: 'response',
      norm: norm(row),
      coefficient: 1.5,
      share: (1.5 * norm(row)) / 30,
    },
  ]);
  expect(notes).toEqual([]);
});

test('a percentage is a share of each layer’s residual norm, whatever the vector’s length', async () => {
  const { edits, applied } = await resolve('evil=-20%@1-3/all');
  expect(applied.map(({ layer, scope }) => [layer, scope])).toEqual([
    [1, 'all'],
    [2, 'all'],
    [3, 'all'],
  ]);
  for (const edit of edits) {
    if (edit.op !== 'add') throw new Error('expected an addition');
    expect(edit.coefficient * norm(edit.direction)).toBeCloseTo(-0.2 * 10 * (edit.layer + 1), 5);
  }
  for (const { share } of applied) expect(share).toBeCloseTo(0.2, 10);
});

test('a length is one, whatever the vector’s', async () => {
  const { edits } = await resolve('evil=30u@1-2');
  for (const edit of edits) {
    if (edit.op !== 'add') throw new Error('expected an addition');
    expect(edit.coefficient * norm(edit.direction)).toBeCloseTo(30, 4);
  }
});

test.each([
  ['evil=2:inc', 3],
  ['evil=2@0-2:inc/all', 2],
  ['evil=2@1-3:inc', 3],
])('%s: what is added up to the last layer is 2 times the vector there', async (text, last) => {
  const vector = aVector();
  const { edits, applied } = await resolve(text, vector);
  const sum = new Float64Array(vector.model.width);
  for (const edit of edits) {
    if (edit.op !== 'add') throw new Error('expected additions');
    edit.direction.forEach((x, i) => (sum[i]! += edit.coefficient * x));
  }
  direction(vector, last).forEach((x, i) => expect(sum[i]).toBeCloseTo(2 * x, 5));
  expect(edits.at(-1)!.layer).toBe(last);
  expect(new Set(applied.map(({ op }) => op))).toEqual(new Set(['inc']));
});

test('increments take one plain coefficient', () => {
  expect(() => parseSpec('evil=20%:inc', () => false)).toThrow(/one plain coefficient for all layers/);
});

test('caps are bounds of the projection, raw or in deviations from the baseline', async () => {
  const [mean, deviation] = [0.5 - 2, 3]; // of single tokens: one held at 1sd reads z = 1
  for (const [text, bound] of [
    ['evil:cap', { above: mean + deviation }],
    ['evil=-2sd:cap', { above: mean - 2 * deviation }],
    ['evil=>=-1sd:cap', { below: mean - deviation }],
    ['evil=2.5:cap', { above: 2.5 }],
    ['evil=>=-0.5:cap', { below: -0.5 }],
  ] as const) {
    const { edits, applied } = await resolve(text);
    expect(edits).toEqual([
      { op: 'cap', layer: 2, direction: edits[0]!.direction, scope: 'response', ...bound },
    ]);
    expect(applied[0]).toMatchObject(bound);
  }
});

/** Bounds of layer b: b at the 25th percentile, 10 + b at the 75th. */
const calibrated = aVector({
  quality: {
    axis: {
      firstComponent: [],
      explained: [],
      componentsFor70: [],
      roles: [],
      usual: [],
      floors: { '25': [0, 1, 2, 3], '75': [10, 11, 12, 13] },
    },
  },
});

test('a percentile is the one stored for each layer', async () => {
  for (const [text, bounds] of [
    ['evil=>=25p@1-2:cap/all', [{ below: 1 }, { below: 2 }]],
    ['evil=75p@0-1:cap', [{ above: 10 }, { above: 11 }]],
  ] as const) {
    const { edits, applied } = await resolve(text, calibrated);
    expect(edits).toHaveLength(bounds.length);
    for (const [i, bound] of bounds.entries()) {
      expect(edits[i]).toEqual({
        op: 'cap',
        layer: edits[i]!.layer,
        direction: direction(calibrated, edits[i]!.layer),
        scope: edits[i]!.scope,
        ...bound,
      });
      expect(applied[i]).toMatchObject(bound);
    }
  }
});

test('several specs act in their order', async () => {
  const specs = ['evil:ablate', 'evil=2'].map((text) => parseSpec(text, () => false));
  const { edits } = await resolveSteering(specs, () => Promise.resolve(aVector()), A_MODEL);
  expect(edits.map(({ op }) => op)).toEqual(['ablate', 'add']);
});

const { layer: _, ...unchosen } = aVector();
const { coefficient: __, ...undosed } = aVector();
const { residualNorms: ___, ...unmeasured } = aVector();
const { baseline: ____, ...unsettled } = aVector();

test.each<[string, PersonaVector, string]>([
  ['evil=1', unchosen, 'no layer was chosen'],
  ['evil', undosed, 'no coefficient was chosen'],
  ['evil=20%', unmeasured, 'does not hold the residual norms'],
  ['evil:cap', unsettled, 'holds no neutral baseline'],
  ['evil=>=25p:cap', aVector(), 'holds no percentiles'],
  ['evil=>=30p:cap', calibrated, 'does not hold the percentile 30 of layer 2'],
  ['evil=1@4', aVector(), 'there is no layer 4 in a model of 4'],
])('%s cannot be done: %#', async (text, vector, message) => {
  await expect(resolve(text, vector)).rejects.toMatchObject({
    code: 'USAGE',
    message: expect.stringContaining(message),
    remedy: expect.any(String),
  });
});

test('a vector of another model is refused, one of another quantisation told', async () => {
  const other = aVector({ model: { ...A_MODEL, name: 'big', sha256: 'c'.repeat(64), width: 32, layers: 8 } });
  await expect(resolve('evil', other)).rejects.toMatchObject({ code: 'WRONG_MODEL' });
  const requantised = aVector({
    model: { ...A_MODEL, name: 'tiny-Q8_0', quantization: 'Q8_0', sha256: 'c'.repeat(64) },
  });
  expect((await resolve('evil', requantised)).notes).toEqual([expect.stringContaining('Q8_0')]);
});

test('a layer without a direction is an error, not an edit without effect', async () => {
  const vector = aVector();
  direction(vector, 2).fill(0);
  await expect(resolve('evil', vector)).rejects.toMatchObject({ code: 'BAD_VECTOR' });
});
