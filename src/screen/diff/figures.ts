/**
 * How far the residual stream of a tuned model lies from that of its base (paper §6.4), prompt by prompt: along each
 * vector, and as a whole. Prompts are pairs: what differs between them falls out.
 */

import { bootstrapMean, type Interval } from '../../math/bootstrap.ts';
import { signFlip } from '../../math/sign-flip.ts';
import { orthonormal, shareInSpan } from '../../math/span.ts';
import { deviation, mean } from '../../math/statistics.ts';
import { cosine, difference, meanOfRows, norm, project } from '../../math/vector.ts';
import type { Watch } from '../../monitor/watch.ts';
import { afterFinalNorm, direction } from '../../vector/vector.ts';

/** In standard deviations of the base over the prompts. */
export interface Deviations {
  mean: number;
  low: number;
  high: number;
}

/** Along one vector at one layer. */
export interface ShiftFigures {
  layer: number;
  /** mean over prompts of ⟨h_tuned − h_base, v⟩/‖v‖, with its interval over prompts, in units of activation norm */
  shift: Interval;
  /** standard deviation of the base's own projections over the prompts */
  spread: number;
  /** the shift in those; null where there are none: the projections do not differ */
  sd: Deviations | null;
  /** the shift in deviations of the vector's neutral answers, where it knows them */
  neutralSd?: number;
  /** how often signs drawn at random give a mean as far from 0: see signFlip */
  p: number;
  /** of the mean shift, as a vector, with v; null where nothing shifted */
  cosine: number | null;
}

/** The shift at one layer, whatever its direction. */
export interface LayerShift {
  layer: number;
  /** ‖mean over prompts of h_tuned − h_base‖ */
  norm: number;
  /** that, as a share of the base's mean ‖h‖ */
  relative: number;
  /** share of the norm's square that lies in the span of the vectors at this layer; null where nothing shifted */
  spanned: number | null;
}

export interface VectorShift {
  /** unique among the vectors of a diff */
  name: string;
  trait: string;
  source: string;
  /** the vector's own, or the one asked for */
  layer: number;
  /** at that layer */
  own: ShiftFigures;
  /** at every layer that was read and where the vector has a direction */
  layers: ShiftFigures[];
}

export interface Shifts {
  prompts: number;
  layers: LayerShift[];
  vectors: VectorShift[];
}

/** One text read on both models; rows of width d, in the order of the layers. */
export interface ReadPair {
  base: Float32Array; // (layers × d)
  tuned: Float32Array; // (layers × d)
}

/** @param layers those that were read; all that the vectors are watched at are among them */
export function shiftsOf(
  pairs: readonly ReadPair[],
  layers: readonly number[],
  width: number,
  watches: readonly Watch[],
): Shifts {
  const found = watches.map(() => [] as ShiftFigures[]);
  const layerShifts = layers.map((layer, k) => {
    const row = (from: Float32Array): Float32Array => from.subarray(k * width, (k + 1) * width);
    const differences = pairs.map(({ base, tuned }) => difference(row(tuned), row(base)));
    const whole = meanOfRows(joined(differences, width), width);
    const length = norm(whole);
    const there = watches.filter((watch) => hasDirection(watch, layer));
    for (const watch of there) {
      const v = direction(watch.vector, layer);
      const usual = pairs.map(({ base }) => project(row(base), v));
      const moved = differences.map((one) => project(one, v));
      found[watches.indexOf(watch)]!.push(figuresOf(watch, layer, usual, moved, whole));
    }
    const basis = orthonormal(there.map(({ vector }) => direction(vector, layer)));
    return {
      layer,
      norm: length,
      relative: length / mean(pairs.map(({ base }) => norm(row(base)))),
      spanned: length > 0 ? Math.min(1, shareInSpan(whole, basis)) : null,
    };
  });
  return {
    prompts: pairs.length,
    layers: layerShifts,
    vectors: watches.map(({ name, vector, source, layer }, i) => ({
      name,
      trait: vector.trait,
      source,
      layer,
      own: found[i]!.find((figures) => figures.layer === layer)!,
      layers: found[i]!,
    })),
  };
}

/** Whether the vector says anything at this layer: it may be zero there, or none of the residual stream. */
export function hasDirection({ vector }: Pick<Watch, 'vector'>, layer: number): boolean {
  return layer !== afterFinalNorm(vector) && norm(direction(vector, layer)) > 0;
}

function figuresOf(
  { vector }: Watch,
  layer: number,
  usual: readonly number[],
  moved: readonly number[],
  whole: Float64Array,
): ShiftFigures {
  const shift = bootstrapMean(moved);
  const spread = usual.length > 1 ? deviation(usual) : 0;
  const neutral = vector.baseline?.deviation[layer];
  const along = cosine(whole, direction(vector, layer));
  return {
    layer,
    shift,
    spread,
    sd: spread > 0 ? { mean: shift.mean / spread, low: shift.low / spread, high: shift.high / spread } : null,
    ...(neutral !== undefined && neutral > 0 && { neutralSd: shift.mean / neutral }),
    p: signFlip(moved),
    cosine: Number.isFinite(along) ? along : null,
  };
}

function joined(rows: readonly Float32Array[], width: number): Float32Array {
  const out = new Float32Array(rows.length * width);
  for (const [i, row] of rows.entries()) out.set(row, i * width);
  return out;
}
