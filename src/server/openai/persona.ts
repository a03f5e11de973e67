/** The `persona` of an answer: what was read, how it was steered, which rules fired. */

import { answerZ, tokenZ } from '../../monitor/baseline.ts';
import { mean } from '../../math/statistics.ts';
import type { Fired } from '../../steer/policy/policy.ts';
import type { TraitSummary } from '../contracts.ts';
import { type ChoicePlan, readingAt, type Written, type WrittenToken } from './write-choice.ts';
import type { Watched } from './watching.ts';

/** null where there is nothing to say: no token, or no baseline */
interface WireReading {
  raw: number | null;
  z: number | null;
}

export interface WireToken {
  index: number;
  text: string;
  readings: Record<string, WireReading>;
}

export function tokenReadings(
  watches: readonly Watched[],
  tokens: readonly WrittenToken[],
  first: number,
): WireToken[] {
  return tokens.map(({ text, projections }, i) => ({
    index: first + i,
    text,
    readings: Object.fromEntries(
      watches.map(({ name, vector, layer }, k) => {
        const raw = projections[k]!;
        return [name, { raw, z: tokenZ(raw, vector.baseline, layer) }];
      }),
    ),
  }));
}

/** NaN where there is nothing: an answer without a token has no mean. */
export function traitSummaries({ watches }: ChoicePlan, written: Written): Record<string, TraitSummary> {
  return Object.fromEntries(
    watches.map((watch, k) => {
      const values = written.tokens.map(({ projections }) => projections[k]!);
      const average = values.length > 0 ? mean(values) : Number.NaN;
      const z = values.length > 0 ? answerZ(average, watch.vector.baseline, watch.layer) : null;
      const most = values.reduce((a, b) => Math.max(a, b), -Infinity);
      const summary: TraitSummary = {
        layer: watch.layer,
        mean: { raw: average, z: z ?? undefined },
        max: readingAt(watch, values.length > 0 ? most : Number.NaN),
        last: readingAt(watch, values.at(-1) ?? Number.NaN),
        prompt: readingAt(watch, written.prompt?.[k] ?? Number.NaN),
      };
      return [watch.name, summary];
    }),
  );
}

export function personaOf(
  plan: ChoicePlan,
  written: Written,
  options: { seed: number; tokens: boolean },
): Record<string, unknown> {
  return {
    seed: options.seed,
    steering: appliedSteering(written),
    traits: wireTraits(plan, written, options.tokens),
    fired: plan.policy.fired().map(wireFired),
  };
}

/** What was applied, and at how many token positions each changed the stream; null where the answer was cut off. */
function appliedSteering({ applied, editsApplied }: Written): object[] {
  // one that came in after the last token has no count
  return applied.map((each, i) => ({ ...each, positions: editsApplied ? (editsApplied[i] ?? 0) : null }));
}

export function wireTraits(plan: ChoicePlan, written: Written, withTokens: boolean): Record<string, object> {
  const summaries = traitSummaries(plan, written);
  return Object.fromEntries(
    plan.watches.map((watch, k) => {
      const { layer, mean: average, max, last, prompt } = summaries[watch.name]!;
      const tokens = written.tokens.map(({ text, projections }) => ({
        text,
        ...wire(readingAt(watch, projections[k]!)),
      }));
      const figures = { layer, mean: wire(average), max: wire(max), last: wire(last), prompt: wire(prompt) };
      return [watch.name, { ...figures, ...(withTokens && { tokens }) }];
    }),
  );
}

function wireFired({ reading, ...fired }: Fired): object {
  return { ...fired, reading: wire(reading) };
}

function wire({ raw, z }: { raw: number; z: number | undefined }): WireReading {
  return { raw: Number.isFinite(raw) ? raw : null, z: z !== undefined && Number.isFinite(z) ? z : null };
}
