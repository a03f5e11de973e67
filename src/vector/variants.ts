/**
 * Ways of steering with one vector, made comparable: other token kinds and scopes at equal length, and its push spread
 * over all layers (paper §4.6, §5.1, §5.3).
 */

import type { AddEdit, MeanKind, Scope } from '../engine/request.ts';
import { PersonaError } from '../errors.ts';
import { norm } from '../math/vector.ts';
import { increments } from './algebra.ts';
import { direction, type PersonaVector } from './vector.ts';

/**
 * single: c·v[b] at one layer b
 * all: at every layer, with shares of c such that the pushes together are as long as the single one's
 * incremental: c·(v[b] − v[b−1]) at every layer, so that the stream is off by c·v[b] after each (paper §5.3)
 */
export type Spread = 'single' | 'all' | 'incremental';
export const SPREADS: readonly Spread[] = ['single', 'all', 'incremental'];

/** What coefficients count in: the vector itself · its unit vector (length of the push) · % of the residual norm */
export type CoefficientUnit = 'raw' | 'length' | 'percent';
export const COEFFICIENT_UNITS: readonly CoefficientUnit[] = ['raw', 'length', 'percent'];

export interface Variant {
  kind: MeanKind;
  scope: Scope;
  spread: Spread;
}

export const PLAIN: Variant = { kind: 'response_avg', scope: 'response', spread: 'single' };

/** 'prompt_last, all, incremental'; what is as usual is not said, '' for the usual way */
export function variantName({ kind, scope, spread }: Variant, usual: Variant = PLAIN): string {
  const parts = [
    kind === usual.kind ? [] : [kind],
    scope === usual.scope ? [] : [scope],
    spread === usual.spread ? [] : [spread],
  ];
  return parts.flat().join(', ');
}

/**
 * The edits of a variant at a layer and coefficient.
 * @param main the vector whose lengths count, of whatever kind
 * @param own the vector of the variant's kind
 * @throws PersonaError USAGE when percentages are asked of a vector without residual norms
 */
export function variantEdits(
  main: PersonaVector,
  own: PersonaVector,
  { scope, spread }: Variant,
  unit: CoefficientUnit,
  layer: number,
  coefficient: number,
): AddEdit[] {
  if (coefficient === 0) return [];
  const { layers, width } = main.model;
  const c = rawCoefficient(main, unit, layer, coefficient);
  const rows = Array.from({ length: layers }, (_, b) =>
    own === main ? direction(main, b) : scaledTo(direction(own, b), norm(direction(main, b))),
  );
  const add = (b: number, row: Float32Array, share = 1): AddEdit => ({
    op: 'add',
    layer: b,
    direction: row,
    coefficient: share * c,
    scope,
  });
  if (spread === 'single') return [add(layer, rows[layer]!)];
  if (spread === 'all') {
    const lengths = rows.map((row) => norm(row));
    const share = lengths[layer]! / lengths.reduce((sum, x) => sum + x, 0);
    return rows.flatMap((row, b) => (lengths[b]! > 0 ? [add(b, row, share)] : []));
  }
  const flat = new Float32Array(layers * width);
  rows.forEach((row, b) => flat.set(row, b * width));
  const gains = increments(flat, width);
  return rows.flatMap((_, b) => {
    const row = gains.subarray(b * width, (b + 1) * width);
    return norm(row) > 0 ? [add(b, row)] : [];
  });
}

/** Times the unnormalised vector. */
export function rawCoefficient(
  vector: PersonaVector,
  unit: CoefficientUnit,
  layer: number,
  coefficient: number,
): number {
  if (unit === 'raw') return coefficient;
  const length = norm(direction(vector, layer));
  if (unit === 'length') return coefficient / length;
  const residual = vector.residualNorms?.[layer];
  if (!residual)
    throw new PersonaError(
      'USAGE',
      `the vector of ${vector.trait} does not hold the residual norms that percentages are of`,
      {
        remedy: 'give plain coefficients, or extract the vector anew',
      },
    );
  return ((coefficient / 100) * residual) / length;
}

function scaledTo(row: Float32Array, length: number): Float32Array {
  const own = norm(row);
  return own > 0 ? row.map((x) => (x * length) / own) : row;
}
