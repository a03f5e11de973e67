/**
 * The figures of one sample, at each vector's layer (paper §9.1, §9.3):
 *
 *     projection   ⟨mean over the answer's tokens, v⟩/‖v‖
 *     base         difference: the same of the model's own greedy answer to the prompt
 *                  prompt:     the projection of the last prompt token, from the same pass
 *                  sampled:    the mean of the first kind over a random subset of the file's rows
 *
 * and their difference is how far the answer goes beyond what the prompt alone brings about.
 */

import type { EngineResult, MeanKind } from '../engine/request.ts';
import { isPersonaError } from '../errors.ts';
import { project } from '../math/vector.ts';
import type { ChatModel } from '../model/chat-model.ts';
import type { Watch } from '../monitor/watch.ts';
import { direction } from '../vector/vector.ts';
import { known, type Known } from './known.ts';
import { promptHash, type Sample } from './samples.ts';

export const METHODS = ['difference', 'prompt', 'sampled'] as const;
export type Method = (typeof METHODS)[number];

/** One number per watch, in their order; null where there is no token to average over. */
export type PerWatch = (number | null)[];

export interface Measured {
  projection: PerWatch;
  base: PerWatch;
  /** why there are no figures, where there are none */
  reason?: string;
}

/** Measures samples; the same texts are computed once. */
export interface Measurer {
  measure(sample: Sample, signal: AbortSignal): Promise<Measured>;
  /** takes what an earlier run found */
  learn(sample: Sample, found: Measured): void;
}

export interface MeasurerOptions {
  method: Method;
  /** of the model's own answer */
  maxTokens: number;
  /** `sampled`: by the file of a sample */
  baseOf?: ((file: string) => PerWatch) | undefined;
}

export function measurer(
  model: ChatModel,
  watches: readonly Watch[],
  { method, maxTokens, baseOf }: MeasurerOptions,
): Measurer {
  const layers = [...new Set(watches.map(({ layer }) => layer))];
  const texts: Known<Measured> = known();
  const own: Known<PerWatch> = known();

  /** of means over tokens, (layers × d) */
  function projections(means: EngineResult['means'], kind: MeanKind): PerWatch {
    const rows = means?.[kind];
    const { width } = model.engine.info;
    return watches.map(({ vector, layer }) => {
      const at = layers.indexOf(layer) * width;
      return rows ? project(rows.subarray(at, at + width), direction(vector, layer)) : null;
    });
  }

  async function ownAnswer(prompt: string, signal: AbortSignal): Promise<PerWatch> {
    const { means } = await model.engine.run(
      { prompt, maxTokens, sampling: { temperature: 0 }, means: { layers, kinds: ['response_avg'] } },
      { signal },
    );
    return projections(means, 'response_avg');
  }

  async function compute({ record, asked, answer }: Sample, signal: AbortSignal): Promise<Measured> {
    const prompt = model.render(asked);
    const kinds: MeanKind[] = method === 'prompt' ? ['response_avg', 'prompt_last'] : ['response_avg'];
    // both are asked for at once, and share the prompt
    const base =
      method === 'difference' ? own.get(ownKey(asked), () => ownAnswer(prompt, signal)) : undefined;
    base?.catch(() => {});
    const { means } = await model.engine.run({ prompt, answer, means: { layers, kinds } }, { signal });
    const projection = projections(means, 'response_avg');
    if (projection[0] === null) return nothing('an empty answer');
    if (method === 'prompt') return { projection, base: projections(means, 'prompt_last') };
    if (base === undefined) return { projection, base: baseOf?.(record.file) ?? watches.map(() => null) };
    const found = await base;
    return found[0] === null
      ? { projection, base: found, reason: "the model's own answer is empty" }
      : { projection, base: found };
  }

  function nothing(reason: string): Measured {
    return { projection: watches.map(() => null), base: watches.map(() => null), reason };
  }

  async function measure(sample: Sample, signal: AbortSignal): Promise<Measured> {
    try {
      const found = await texts.get(textKey(sample), () => compute(sample, signal));
      return found;
    } catch (error) {
      // of this row alone: too long, or nothing that the template takes
      if (isPersonaError(error) && error.code === 'CONTEXT_FULL')
        return nothing(`longer than the context of ${model.engine.info.contextPerRequest} tokens`);
      if (isPersonaError(error) && error.code === 'USAGE') return nothing(error.message);
      throw error;
    }
  }

  /** the base of `sampled` is the file's */
  function textKey({ hash, record }: Sample): string {
    return method === 'sampled' ? `${hash} ${record.file}` : hash;
  }

  function learn(sample: Sample, found: Measured): void {
    texts.put(textKey(sample), found);
    if (method === 'difference' && found.base[0] !== null && found.base[0] !== undefined)
      own.put(ownKey(sample.asked), found.base);
  }

  return { measure, learn };
}

function ownKey(asked: Sample['asked']): string {
  return promptHash(JSON.stringify(asked));
}

/** projection − base, by watch. */
export function differences({ projection, base }: Measured): PerWatch {
  return projection.map((value, w) => {
    const other = base[w] ?? null;
    return value === null || other === null ? null : value - other;
  });
}
