/** What the parts of a vector that are kept as JSON must be, in whichever file they lie. */

import { z } from 'zod';
import type { MeanKind } from '../engine/request.ts';
import { calibrationSchema } from '../judge/calibrate.ts';
import type { ModelIdentity } from '../model/chat-model.ts';
import { MEAN_KINDS } from '../rollout/ask.ts';
import { traitSchema } from '../trait/schema.ts';
import type { Quality, Recipe } from './vector.ts';

export { MEAN_KINDS };

/** No model comes near; a file that says more is broken. */
export const MAX_LAYERS = 4096;

export const modelSchema: z.ZodType<ModelIdentity> = z.object({
  name: z.string(),
  architecture: z.string(),
  sha256: z.string(),
  quantization: z.string(),
  layers: z.int().min(1).max(MAX_LAYERS),
  width: z.int().min(1),
  templateSha256: z.string(),
  loras: z.array(z.object({ sha256: z.string(), scale: z.number() })).optional(),
}) as z.ZodType<ModelIdentity>;

/** What is used of a recipe again is checked, the rest is passed on as it is. */
export const recipeSchema: z.ZodType<Recipe> = z.looseObject({
  created: z.string(),
  trait: traitSchema.optional(),
  calibration: calibrationSchema.optional(),
}) as unknown as z.ZodType<Recipe>;

/** Figures for people, shown and not reckoned with; but for the floors, which caps are made of. */
export const qualitySchema: z.ZodType<Quality> = z.looseObject({
  axis: z.looseObject({ floors: z.record(z.string(), z.array(z.number()).max(MAX_LAYERS)) }).optional(),
}) as unknown as z.ZodType<Quality>;

export function isMeanKind(kind: string): kind is MeanKind {
  return (MEAN_KINDS as readonly string[]).includes(kind);
}
