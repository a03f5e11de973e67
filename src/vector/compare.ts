/**
 * How alike vectors of one model are: cosines, and how large a cosine must be to mean something. The yardstick is what
 * the same extraction gives with its labels dealt at random, where the vectors carry that; else only a lower bound is
 * known, that of directions without any structure, whose cosines have a deviation of 1/√d.
 */

import { cosine } from '../math/vector.ts';
import type { Named } from './combine.ts';
import { direction, type PersonaVector } from './vector.ts';

/** 95% of a normal distribution lie within so many deviations. */
const TWO_SIDED_95 = 1.96;

export interface Band {
  /** cosines within ± this are what chance gives */
  half: number;
  /** permutation: by labels dealt at random · isotropic: 1/√d, too narrow for activations */
  by: 'permutation' | 'isotropic';
}

export interface Pair {
  a: string;
  b: string;
  /** null where one of them has no direction */
  cosine: number | null;
  band: Band;
}

/** Every pair of different vectors at one layer, in the order of the vectors. */
export function compareAt(vectors: readonly Named[], layer: number): Pair[] {
  return vectors.flatMap((a, i) =>
    vectors.slice(i + 1).map((b) => ({
      a: a.name,
      b: b.name,
      cosine: cosineAt(a.vector, b.vector, layer),
      band: bandAt(a.vector, b.vector, layer),
    })),
  );
}

export function cosineAt(a: PersonaVector, b: PersonaVector, layer: number): number | null {
  const value = cosine(direction(a, layer), direction(b, layer));
  return Number.isNaN(value) ? null : value;
}

function bandAt(a: PersonaVector, b: PersonaVector, layer: number): Band {
  const [sdA, sdB] = [nullSd(a, layer), nullSd(b, layer)];
  return sdA === undefined || sdB === undefined
    ? { half: TWO_SIDED_95 / Math.sqrt(a.model.width), by: 'isotropic' }
    : { half: TWO_SIDED_95 * Math.max(sdA, sdB), by: 'permutation' };
}

/** Figures of quality are not checked when a file is read. */
function nullSd({ quality }: PersonaVector, layer: number): number | undefined {
  const sd: unknown = quality.permutation?.cosineSd?.[layer];
  return typeof sd === 'number' && Number.isFinite(sd) && sd > 0 ? sd : undefined;
}

/**
 * The layer to compare at: what most of the vectors were tuned to, the deeper one where they tie.
 * @returns undefined where none was chosen for any
 */
export function commonLayer(vectors: readonly Named[]): number | undefined {
  const votes = new Map<number, number>();
  for (const { vector } of vectors)
    if (vector.layer !== undefined) votes.set(vector.layer, (votes.get(vector.layer) ?? 0) + 1);
  return [...votes].toSorted(([a, m], [b, n]) => n - m || b - a)[0]?.[0];
}
