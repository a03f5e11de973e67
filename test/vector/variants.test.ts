/** Ways of steering are made comparable by the length of what they add. */

import { describe, expect, test } from 'vitest';
import type { AddEdit } from '../../src/engine/request.ts';
import { norm } from '../../src/math/vector.ts';
import { direction, type PersonaVector } from '../../src/vector/vector.ts';
import { PLAIN, rawCoefficient, variantEdits, variantName, type Variant } from '../../src/vector/variants.ts';
import { aVector } from '../support/a-vector.ts';

const main = aVector();
const other: PersonaVector = {
  ...main,
  kind: 'prompt_last',
  directions: main.directions.map((x, i) => 7 * x + (i % 3)),
};

const lengths = (edits: readonly AddEdit[]): number[] =>
  edits.map((edit) => Math.abs(edit.coefficient) * norm(edit.direction));

describe('edits of a variant', () => {
  const edits = (change: Partial<Variant>, own = main, c = -2): AddEdit[] =>
    variantEdits(main, own, { ...PLAIN, ...change }, 'raw', 2, c);

  test('the usual way is the vector at its layer', () => {
    expect(edits({})).toEqual([
      { op: 'add', layer: 2, direction: direction(main, 2), coefficient: -2, scope: 'response' },
    ]);
    expect(edits({ scope: 'prompt' })[0]!.scope).toBe('prompt');
    expect(edits({}, main, 0)).toEqual([]);
  });

  test('another token kind pushes as far, its own way', () => {
    const [edit] = edits({ kind: 'prompt_last' }, other);
    expect(lengths([edit!])[0]).toBeCloseTo(2 * norm(direction(main, 2)), 4);
    const own = direction(other, 2);
    expect(edit!.direction[5]! / norm(edit!.direction)).toBeCloseTo(own[5]! / norm(own), 5);
  });

  test('over all layers the pushes together are as long', () => {
    const all = edits({ spread: 'all' });
    expect(all).toHaveLength(main.model.layers);
    const sum = lengths(all).reduce((a, b) => a + b, 0);
    expect(sum).toBeCloseTo(2 * norm(direction(main, 2)), 4);
  });

  test('increments add up to the vector at every layer', () => {
    const sum = new Float64Array(main.model.width);
    for (const edit of edits({ spread: 'incremental' })) {
      edit.direction.forEach((x, i) => (sum[i]! += edit.coefficient * x));
      direction(main, edit.layer).forEach((x, i) => expect(sum[i]).toBeCloseTo(-2 * x, 4));
    }
  });
});

test('the three units of a coefficient', () => {
  const length = norm(direction(main, 2));
  expect(rawCoefficient(main, 'raw', 2, 1.5)).toBe(1.5);
  expect(rawCoefficient(main, 'length', 2, 30) * length).toBeCloseTo(30, 4);
  expect(rawCoefficient(main, 'percent', 2, -20) * length).toBeCloseTo(-0.2 * main.residualNorms![2]!, 4);
  const { residualNorms: _, ...bare } = main;
  expect(() => rawCoefficient(bare, 'percent', 2, 5)).toThrow(/does not hold the residual norms/);
});

test('names say what is not as usual', () => {
  expect(variantName(PLAIN)).toBe('');
  expect(variantName({ kind: 'prompt_avg', scope: 'all', spread: 'incremental' })).toBe(
    'prompt_avg, all, incremental',
  );
});
