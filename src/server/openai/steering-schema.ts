/** The request's `steering`, `monitor` and what belongs to them, as schemas. */

import { z } from '@hono/zod-openapi';
import type { Scope } from '../../engine/request.ts';
import { OPS, SCOPES, type SteerOp } from '../../steer/spec.ts';

export interface SteeringObject {
  vector?: string | undefined;
  trait?: string | undefined;
  coefficient?: number | undefined;
  coef?: number | undefined;
  coeff?: number | undefined;
  scale?: number | undefined;
  strength?: number | undefined;
  multiplier?: number | undefined;
  alpha?: number | undefined;
  unit?: 'raw' | 'percent' | 'length' | 'sd' | undefined;
  layer?: number | undefined;
  layers?: number | number[] | string | undefined;
  op?: SteerOp | undefined;
  scope?: Scope | undefined;
  apply?: Scope | undefined;
  above?: number | undefined;
  below?: number | undefined;
}

type Steering = string | SteeringObject;
export type SteeringField = Steering | Steering[] | false | null | undefined;

/** The fields of a body that are this server's own. */
export interface PersonaBody {
  steering?: SteeringField;
  monitor?: string[] | null | undefined;
  monitor_tokens?: boolean | null | undefined;
  compare?: boolean | null | undefined;
  persona?: { conversation?: string | undefined } | null | undefined;
}

/** A schema of each field. */
export type Fields<T> = { [K in keyof T]-?: z.ZodType<T[K]> };

const layer = z.int().min(0).max(9999);
const finite = z.number();

const steeringObject: z.ZodType<SteeringObject> = z
  .strictObject({
    vector: z.string().min(1).optional().describe('name of a loaded vector'),
    trait: z.string().min(1).optional().describe('instead: the trait of the only loaded vector that has it'),
    coefficient: finite.optional().describe('times the vector; its own where it is left out'),
    coef: finite.optional(),
    coeff: finite.optional(),
    scale: finite.optional(),
    strength: finite.optional(),
    multiplier: finite.optional(),
    alpha: finite.optional(),
    unit: z
      .enum(['raw', 'percent', 'length', 'sd'])
      .optional()
      .describe(
        "of a coefficient: raw (times the vector), percent (of the layer's residual norm), length (of the push); of a bound: raw (projection), sd (from the neutral baseline)",
      ),
    layer: layer.optional().describe('block, from 0; the vector’s own where it is left out'),
    layers: z
      .union([
        layer,
        z.array(layer).min(1),
        z.string().regex(/^\d{1,4}(-\d{1,4})?$/, 'expected a range like 8-12'),
      ])
      .optional(),
    op: z.enum(OPS).optional(),
    scope: z.enum(SCOPES).optional().describe('response: from the last prompt token on (the default)'),
    apply: z.enum(SCOPES).optional(),
    above: finite.optional().describe('cap: the projection is at most this'),
    below: finite.optional().describe('cap: the projection is at least this'),
  })
  .openapi('Steering');

const one = z.union([z.string().min(1), steeringObject], {
  error: 'expected an object or a SPEC string such as evil=1.5@14',
});

const steeringField: z.ZodType<SteeringField> = z
  .union([z.literal(false), z.null(), z.string().min(1), steeringObject, z.array(one)], {
    error: 'expected an object, a SPEC string, a list of these, false (none) or null (the default)',
  })
  .optional()
  .describe(
    'an object, a SPEC string (evil=1.5@14:add/response), a list of these; false: none; null: what the server does by default',
  );

export const personaFields: Fields<PersonaBody> = {
  steering: steeringField,
  monitor: z
    .array(z.string().min(1))
    .nullish()
    .describe('loaded vectors to watch, as name or name@layer; left out: what the server watches by default'),
  monitor_tokens: z.boolean().nullish().describe('each token with its readings in a whole answer, too'),
  compare: z
    .boolean()
    .nullish()
    .describe(
      'also the answer without the steering: as persona.baseline of each choice; in streams as choices n … 2n − 1, which say persona.baseline_of',
    ),
  persona: z
    .looseObject({ conversation: z.string().min(1).max(256).optional() })
    .nullish()
    .describe('what the answer belongs to'),
};
