/**
 * The assistant axis (paper §13.3): from the mean activations of a model as itself and in many roles to the direction
 * between them, the main directions along which roles differ, and the bounds of a cap. A role is a matrix (layers × d).
 */

import { symmetricEigen } from '../math/eigen.ts';
import { quantile } from '../math/statistics.ts';
import { addScaled, cosine, dot, norm } from '../math/vector.ts';

/** Mean of the default answers − mean of the roles' means: the higher a projection, the more like the assistant. */
export function assistantAxis(
  defaults: readonly Float32Array[],
  roles: readonly Float32Array[],
): Float32Array {
  const axis = meanOf(defaults);
  addScaled(axis, meanOf(roles), -1);
  return Float32Array.from(axis);
}

function meanOf(matrices: readonly Float32Array[]): Float64Array {
  const [first] = matrices;
  if (!first) throw new RangeError('expected at least one matrix');
  const sum = new Float64Array(first.length);
  for (const matrix of matrices) addScaled(sum, matrix, 1 / matrices.length);
  return sum;
}

export interface RoleSpace {
  /** unit directions, most variance first, (d) each; signs are free */
  components: Float32Array[];
  /** share of the variance between roles that each holds */
  explained: number[];
  /** per role, its place along each component, from the mean of the roles */
  places: Float64Array[];
}

/** Variances below this share of the largest are rounding. */
const ROUNDING = 1e-10;

/**
 * Principal components of the roles at one layer. With fewer roles than d it is the (roles × roles) matrix of inner
 * products that is taken apart: its eigenvectors, carried back by the roles, are the components.
 */
export function roleSpace(roles: readonly Float32Array[], layer: number, width: number): RoleSpace {
  const rows = roles.map((role) => role.subarray(layer * width, (layer + 1) * width));
  const center = meanOf(rows);
  const centered = rows.map((row) => Float64Array.from(row, (x, i) => x - center[i]!));
  const n = rows.length;
  const gram = new Float64Array(n * n);
  for (let i = 0; i < n; i++)
    for (let j = 0; j <= i; j++) gram[i * n + j] = gram[j * n + i] = dot(centered[i]!, centered[j]!);
  const { values, vectors } = symmetricEigen(gram, n);
  const total = values.reduce((sum, value) => sum + Math.max(0, value), 0);
  const kept = Array.from(values.keys()).filter((k) => values[k]! > ROUNDING * values[0]!);
  const components = kept.map((k) => {
    const sum = new Float64Array(width);
    for (const [i, row] of centered.entries()) addScaled(sum, row, vectors[k * n + i]);
    const length = norm(sum);
    return Float32Array.from(sum, (x) => x / length);
  });
  return {
    components,
    explained: kept.map((k) => values[k]! / total),
    places: centered.map((row) => Float64Array.from(components, (component) => dot(row, component))),
  };
}

/** How far the first component is the axis: |cos|, as the sign of a component is free. NaN where roles do not differ. */
export function axisCosine(space: RoleSpace, axis: Float32Array, layer: number): number {
  const [first] = space.components;
  if (!first) return NaN;
  const width = first.length;
  return Math.abs(cosine(first, axis.subarray(layer * width, (layer + 1) * width)));
}

/** How many components hold a share of the variance. componentsFor([0.5, 0.3, 0.2], 0.7) = 2 */
export function componentsFor(explained: readonly number[], share: number): number {
  let sum = 0;
  const at = explained.findIndex((part) => (sum += part) >= share);
  return at < 0 ? explained.length : at + 1;
}

/** The floor that the paper's cap keeps projections above: a quarter of usual tokens lie below it. */
export const CAP_SHARE = 0.25;

/** The bound below which a share of the calibration projections ⟨h, v⟩/‖v‖ lies; one number a layer. */
export function capFloors(projections: readonly ArrayLike<number>[], share: number = CAP_SHARE): number[] {
  return projections.map((values) => quantile(values, share));
}

/** The layers whose caps served the source best lie between these shares of the depth (46–53 of 64, 56–71 of 80). */
const CAP_DEPTH = { from: 0.7, to: 0.85 };

/** Where to cap a model of so many layers. capLayers(64) = { from: 45, to: 54 } */
export function capLayers(layers: number): { from: number; to: number } {
  const at = (share: number): number => Math.min(layers - 1, Math.round(share * layers));
  return { from: at(CAP_DEPTH.from), to: at(CAP_DEPTH.to) };
}
