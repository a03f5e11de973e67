/**
 * Traffic that was kept, as a policy can be tried on it: lines with the readings of each token, events of the server
 * (with figures of each answer), or the output of `persona generate --prompts --monitor`.
 */

import { z } from 'zod';
import { asGiven } from '../../files/as-given.ts';
import { answerZ, tokenZ } from '../../monitor/baseline.ts';
import type { PersonaVector } from '../../vector/vector.ts';
import type { Conversation, Reading } from './policy.ts';

export interface StoredTrait {
  prompt: Reading | undefined;
  /** of each token; undefined where only figures of the answer were kept */
  tokens: Reading[] | undefined;
  mean: Reading | undefined;
  max: Reading | undefined;
}

export interface StoredAnswer {
  id: string;
  keyId: string;
  conversation: Conversation;
  /** when it was asked for, where that was kept */
  ms: number | undefined;
  /** how many tokens were written, where that is known */
  written: number | undefined;
  traits: Map<string, StoredTrait>;
}

type Kept<Raw = number> = { raw: Raw; z?: number | null | undefined };
/** null where there was nothing to read: an answer without a token has no mean */
type Summed = Kept<number | null>;
type KeptTrait = {
  prompt?: Summed | undefined;
  tokens?: Kept[] | undefined;
  mean?: Summed | undefined;
  max?: Summed | undefined;
};
interface Line {
  id?: string | number | undefined;
  keyId?: string | undefined;
  time?: string | undefined;
  conversation?: Conversation | undefined;
  completionTokens?: number | undefined;
  traits?: Record<string, KeptTrait> | undefined;
  persona?: Record<string, { prompt: number; tokens: number[] }> | undefined;
}

const reading = z.object({ raw: z.number(), z: z.number().nullish() });
const summed = z.object({ raw: z.number().nullable(), z: z.number().nullish() });

/** Other fields are somebody else's. */
export const storedSchema: z.ZodType<Line> = asGiven(
  z
    .object({
      id: z.union([z.string(), z.number()]).optional(),
      keyId: z.string().optional(),
      time: z.iso.datetime({ offset: true }).optional(),
      conversation: z.object({ id: z.string(), turn: z.int().min(0) }).optional(),
      completionTokens: z.int().min(0).optional(),
      traits: z
        .record(
          z.string(),
          z.object({
            prompt: summed.optional(),
            tokens: z.array(reading).optional(),
            mean: summed.optional(),
            max: summed.optional(),
          }),
        )
        .optional(),
      persona: z.record(z.string(), z.object({ prompt: z.number(), tokens: z.array(z.number()) })).optional(),
    })
    .refine(({ traits, persona }) => (traits === undefined) !== (persona === undefined), {
      error: 'expected either "traits" or "persona" with what was read',
    }),
);

/**
 * @param line number in its file, from 1
 * @param vectors that policies name: a reading without z gets that of the vector's baseline, at the vector's layer
 */
export function storedAnswer(
  kept: Line,
  line: number,
  vectors: ReadonlyMap<string, PersonaVector>,
): StoredAnswer {
  const given = kept.traits ?? fromGenerate(kept.persona ?? {});
  const traits = new Map<string, StoredTrait>();
  for (const [name, vector] of vectors) {
    const found = given[name] ?? given[vector.trait];
    if (found === undefined) continue;
    const sum = (read: Summed | undefined, of: typeof tokenZ): Reading | undefined =>
      read === undefined || read.raw === null ? undefined : withZ(read.raw, read.z, vector, of);
    traits.set(name, {
      prompt: sum(found.prompt, tokenZ),
      tokens: found.tokens?.map((read) => withZ(read.raw, read.z, vector, tokenZ)),
      mean: sum(found.mean, answerZ),
      max: sum(found.max, tokenZ),
    });
  }
  const lengths = [...traits.values()].flatMap(({ tokens }) => (tokens ? [tokens.length] : []));
  return {
    id: kept.id === undefined ? `line ${line}` : String(kept.id),
    keyId: kept.keyId ?? 'stored',
    conversation: kept.conversation ?? { id: `line ${line}`, turn: 0 },
    ms: kept.time === undefined ? undefined : Date.parse(kept.time),
    written: kept.completionTokens ?? (lengths.length > 0 ? Math.max(...lengths) : undefined),
    traits,
  };
}

function fromGenerate(persona: NonNullable<Line['persona']>): Record<string, KeptTrait> {
  return Object.fromEntries(
    Object.entries(persona).map(([name, { prompt, tokens }]) => [
      name,
      { prompt: { raw: prompt }, tokens: tokens.map((raw) => ({ raw })) },
    ]),
  );
}

function withZ(
  raw: number,
  given: number | null | undefined,
  { baseline, layer }: PersonaVector,
  of: typeof tokenZ,
): Reading {
  const known = given ?? (layer === undefined ? null : of(raw, baseline, layer));
  return { raw, z: known ?? undefined };
}
