/** The request's `steering`, `monitor` and what belongs to them, as schemas. */

import { z } from '@hono/zod-openapi';
import { OPS, SCOPES } from '../../steer/spec.ts';

const layer = z.int().min(0).max(9999);
const finite = z.number();

export const steeringObject = z
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

export type SteeringObject = z.infer<typeof steeringObject>;

const one = z.union([z.string().min(1), steeringObject], {
  error: 'expected an object or a SPEC string such as evil=1.5@14',
});

export const steeringField = z
  .union([z.literal(false), z.null(), z.string().min(1), steeringObject, z.array(one)], {
    error: 'expected an object, a SPEC string, a list of these, false (none) or null (the default)',
  })
  .optional()
  .describe(
    'an object, a SPEC string (evil=1.5@14:add/response), a list of these; false: none; null: what the server does by default',
  );
export type SteeringField = z.infer<typeof steeringField>;

export const personaFields = {
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
