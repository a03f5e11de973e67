/** The adapter that a run has come to, from its checkpoint. */

import type { Architecture } from '../engine/training/architecture.ts';
import { factorPlaces } from '../engine/training/factors.ts';
import type { Adapter, AdapterFactors } from './adapter.ts';
import type { Recipe } from './recipe.ts';

/** (rows × columns) → (columns × rows), row by row */
function transposed(values: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(values.length);
  for (let r = 0; r < rows; r++)
    for (let c = 0; c < columns; c++) out[c * rows + r] = values[r * columns + c]!;
  return out;
}

/** @param values the factors' tensors in their fixed order */
export function adapterOf(
  architecture: Architecture,
  recipe: Recipe,
  values: readonly Float32Array[],
): Adapter {
  const { rank, alpha, rslora, targets } = recipe;
  const a = new Map<string, Float32Array>();
  const factors = new Map<string, AdapterFactors>();
  factorPlaces(architecture, recipe).forEach((place, i) => {
    const value = values[i]!;
    if (place.kind === 'a') {
      const length = rank * place.inputs;
      place.targets.forEach((target, t) =>
        a.set(`blk.${place.block}.${target}`, value.slice(t * length, (t + 1) * length)),
      );
    } else {
      const name = `blk.${place.block}.${place.target}`;
      factors.set(name, { a: a.get(name)!, b: transposed(value, rank, place.outputs) });
    }
  });
  return {
    architecture: architecture.name,
    layers: architecture.layers,
    rank,
    alpha,
    rslora,
    targets,
    factors,
  };
}
