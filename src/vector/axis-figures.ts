/** What is known of an assistant axis beyond its directions: who was asked, and how the roles lie about it (paper §13.3). */

import { dot, project } from '../math/vector.ts';
import type { ModelIdentity } from '../model/model-identity.ts';
import { axisCosine, capFloors, componentsFor, roleSpace } from './axis.ts';
import type { Baseline } from './vector.ts';

/** Who was asked, and whose answers made the axis. */
export interface AxisRecipe {
  /** of the prompts and questions asked */
  sha256: string;
  /** answers asked of each role and those that counted; too few leave a role out */
  roles: { name: string; kept: number; asked: number }[];
  neutral: string[];
  questions: string[];
  topP: number;
  /** an answer counts above this log-likelihood per token over no prompt; a role with this many answers that count */
  filter: { above: number; least: number };
}

export interface PlacedRole {
  name: string;
  /** of its mean onto the axis, ⟨h, v⟩/‖v‖ */
  projection: number;
  /** from the usual answers' mean, in their standard deviations; null where they have none */
  sd: number | null;
  /** along the first components, from the mean of the roles */
  components: number[];
}

export interface AxisQuality {
  /** per layer, |cos| of the roles' first component with the axis; null where roles do not differ */
  firstComponent: (number | null)[];
  /** per layer, the shares of variance between roles that its first components hold */
  explained: number[][];
  /** per layer, how many components hold 70 % of it */
  componentsFor70: number[];
  /** at the vector's layer, the most assistant-like first */
  roles: PlacedRole[];
  /** the usual answers' mean among them, along the first components */
  usual: number[];
  /** per percentile of calibration tokens, ⟨h, v⟩/‖v‖ at each layer: what a cap keeps projections above or below */
  floors: Record<string, number[]>;
}

/** The percentiles that the source tried (paper §13.3). */
const PERCENTILES = [1, 25, 50, 75] as const;
const SHARE = 0.7;
/** What the cosine of first component and axis was at least, in all layers of the source's three models (paper §13.3). */
export const USUAL_COSINE = 0.6;
/** Components whose shares and places are kept: more are noise, or nobody looks at them. */
const SHARES_KEPT = 12;
const PLACES_KEPT = 2;

export interface AxisParts {
  model: Pick<ModelIdentity, 'layers' | 'width'>;
  /** (layers × d) */
  axis: Float32Array;
  layer: number;
  /** mean of each role, (layers × d) */
  roles: ReadonlyMap<string, Float32Array>;
  baseline: Baseline;
  /** per layer, projections of calibration tokens */
  tokens: readonly ArrayLike<number>[];
}

export function axisQuality({ model, axis, layer, roles, baseline, tokens }: AxisParts): AxisQuality {
  const { layers, width } = model;
  const row = axis.subarray(layer * width, (layer + 1) * width);
  const matrices = [...roles.values()];
  const spaces = Array.from({ length: layers }, (_, b) => roleSpace(matrices, b, width));
  const { components, places } = spaces[layer]!;
  // the sign of a component is free: the assistant lies on its positive side
  const signs = components.slice(0, PLACES_KEPT).map((component) => (dot(component, row) < 0 ? -1 : 1));
  const deviation = baseline.deviation[layer]!;
  const placed = [...roles].map(([name, matrix], i): PlacedRole => {
    const projection = project(matrix.subarray(layer * width, (layer + 1) * width), row);
    return {
      name,
      projection,
      sd: deviation > 0 ? (projection - baseline.mean[layer]!) / deviation : null,
      components: signs.map((sign, k) => sign * places[i]![k]!),
    };
  });
  return {
    firstComponent: spaces.map((space, b) => {
      const cosine = axisCosine(space, axis, b);
      return Number.isNaN(cosine) ? null : cosine;
    }),
    explained: spaces.map(({ explained }) => explained.slice(0, SHARES_KEPT)),
    componentsFor70: spaces.map(({ explained }) => componentsFor(explained, SHARE)),
    roles: placed.toSorted((a, b) => b.projection - a.projection),
    usual: signs.map((sign, k) => sign * dot(components[k]!, row)), // the axis leads from the roles' mean to it
    floors: Object.fromEntries(PERCENTILES.map((p) => [String(p), capFloors(tokens, p / 100)])),
  };
}
