import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { norm } from '../../src/math/vector.ts';
import { combine, type Named } from '../../src/vector/combine.ts';
import { direction } from '../../src/vector/vector.ts';
import { A_MODEL, aVector } from '../support/a-vector.ts';

const other = aVector().directions.map((x, i) => (i % 3) * x - 0.1);
const [a, b]: [Named, Named] = [
  { name: 'a.gguf', vector: aVector() },
  { name: 'b.gguf', vector: aVector({ trait: 'humor', directions: other }) },
];
const term = (item: Named, weight = 1): Named & { weight: number } => ({ ...item, weight });

test('a sum: what it is made of stands in it, what no longer holds does not', () => {
  const quality = { doses: [], separation: [1, 1, 1, 1] };
  const tuned = { ...a, vector: aVector({ quality }) };
  const { vector, notes } = combine({ terms: [term(tuned), term(b, -0.5)] });
  for (const [i, x] of vector.directions.entries())
    expect(x).toBeCloseTo(a.vector.directions[i]! - 0.5 * other[i]!, 6);
  expect(vector).toMatchObject({ trait: 'evil - 0.5 humor', kind: 'response_avg', model: A_MODEL, layer: 2 });
  expect(vector.residualNorms).toEqual(a.vector.residualNorms);
  for (const field of ['baseline', 'coefficient']) expect(vector).not.toHaveProperty(field);
  expect(Object.keys(vector.quality)).toEqual(['norms']);
  expect(vector.quality.norms![2]).toBeCloseTo(norm(direction(vector, 2)), 5);
  const sha256 = createHash('sha256').update(Buffer.from(other.buffer)).digest('hex');
  expect(vector.recipe.combined).toEqual({
    operation: 'sum',
    from: [
      { trait: 'evil', sha256: expect.stringMatching(/^[0-9a-f]{64}$/), weight: 1 },
      { trait: 'humor', sha256, weight: -0.5 },
    ],
  });
  expect(notes).toEqual([]);
});

test('layers that differ leave none chosen; one trait stays its own', () => {
  const deeper = { ...a, vector: aVector({ layer: 3 }) };
  const { vector } = combine({ terms: [term(a), term(deeper)], mean: true });
  expect(vector).not.toHaveProperty('layer');
  expect(vector.trait).toBe('evil');
  expect(vector.recipe.combined?.operation).toBe('mean');
  expect(vector.directions).toEqual(a.vector.directions);
});

test('projections and lengths', () => {
  const away = combine({ terms: [term(a)], away: [b], lengths: { to: 'unit' } }).vector;
  expect(away.recipe.combined).toMatchObject({ operation: 'away from humor, unit length', from: [{ weight: 1 }, { weight: 0 }] }); // prettier-ignore
  for (let l = 0; l < 4; l++) {
    expect(norm(direction(away, l))).toBeCloseTo(1, 5);
    let sum = 0;
    for (const [i, x] of direction(away, l).entries()) sum += x * direction(b.vector, l)[i]!;
    expect(sum).toBeCloseTo(0, 5);
  }
  const share = combine({ terms: [term(a)], lengths: { to: 'share', share: 0.1 } }).vector;
  expect(norm(direction(share, 3))).toBeCloseTo(4, 5); // a tenth of 40
  const like = combine({ terms: [term(a)], lengths: { to: 'vector', other: b } }).vector;
  expect(norm(direction(like, 1))).toBeCloseTo(norm(direction(b.vector, 1)), 5);
});

test('what cannot be reckoned together is refused by name', () => {
  const narrow = {
    name: 'c.gguf',
    vector: aVector({ model: { ...A_MODEL, width: 32, architecture: 'qwen2' } }),
  };
  expect(() => combine({ terms: [term(a), term(narrow)] })).toThrow(
    'a.gguf and c.gguf are of different models: architecture llama and qwen2, width 64 and 32',
  );
  const stranger = {
    name: 'd.gguf',
    vector: aVector({ model: { ...A_MODEL, name: 'else', sha256: 'f'.repeat(64) } }),
  };
  expect(() => combine({ terms: [term(a)], away: [stranger] })).toThrow('d.gguf was made on else');
  const quantised = { ...A_MODEL, quantization: 'Q8_0', sha256: 'c'.repeat(64) };
  const { notes } = combine({
    terms: [term(a), term({ name: 'e.gguf', vector: aVector({ model: quantised }) })],
  });
  expect(notes).toEqual(['e.gguf was made on tiny as Q8_0; this file is F32']);
  expect(() => combine({ terms: [term(a), term(a, -1)] })).toThrow('nothing is left');
  expect(() => combine({ terms: [term(a)], away: [a] })).toThrow('nothing is left');
  const { residualNorms: _, ...bare } = a.vector;
  const lengths = { to: 'share', share: 0.1 } as const;
  expect(() => combine({ terms: [term({ name: 'f', vector: bare })], lengths })).toThrow('residual norms');
});

test('a direction behind the final norm stays marked, and has no increment', () => {
  const converted = { from: 'pt', file: 'x.pt', sha256: '', missing: [], afterFinalNorm: 3 };
  const marked = { name: 'm', vector: aVector({ recipe: { created: '', converted } }) };
  const sum = combine({ terms: [term(a), term(marked)] });
  expect(sum.vector.recipe.combined?.afterFinalNorm).toBe(3);
  expect(sum.notes).toEqual(['block 3 was taken after the final norm, and is marked in the result too']);
  const again = combine({ terms: [term({ name: 's', vector: sum.vector })], incremental: true }).vector;
  expect(direction(again, 3).every((x) => x === 0)).toBe(true);
  expect(again.recipe.combined).not.toHaveProperty('afterFinalNorm');
});
