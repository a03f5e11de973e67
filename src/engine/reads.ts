/** What a request takes from the residual stream: means over tokens, and projections token by token. */

import { dotAt } from './edits.ts';
import type { EngineRequest, MeanKind, ProjectionRead, ProjectionResult } from './request.ts';

export interface MeanState {
  layers: number[];
  kinds: ReadonlySet<MeanKind>;
  before: boolean;
  /** which cached prompt sums fit: same layers, same side */
  key: string;
  /** Σ over prompt tokens, (layers × d) in f64: a long prompt must not lose precision */
  promptSum: Float64Array;
  promptCount: number;
  answerSum: Float64Array;
  answerCount: number;
  /** Σ‖h‖ over answer tokens, (layers) */
  answerNorms: Float64Array;
  promptLast: Float32Array;
}

export interface ProjectionState {
  read: ProjectionRead;
  unit: Float32Array; // v̂, (d)
  before: boolean;
  result: ProjectionResult;
}

export interface ReadState {
  means: MeanState | undefined;
  projections: ProjectionState[];
  /** layers wanted before / after their own edits */
  before: ReadonlySet<number>;
  after: ReadonlySet<number>;
}

export function createReads(request: EngineRequest, layers: number, d: number): ReadState {
  const before = new Set<number>();
  const after = new Set<number>();
  let means: MeanState | undefined;
  if (request.means && request.means.kinds.length > 0) {
    const wanted =
      request.means.layers === 'all'
        ? Array.from({ length: layers }, (_, b) => b)
        : [...request.means.layers];
    const isBefore = request.means.side === 'before';
    const kinds = new Set(request.means.kinds);
    const size = wanted.length * d;
    means = {
      layers: wanted,
      kinds,
      before: isBefore,
      key: `${isBefore ? 'b' : 'a'}${wanted.join()}`,
      promptSum: new Float64Array(kinds.has('prompt_avg') ? size : 0),
      promptCount: 0,
      answerSum: new Float64Array(kinds.has('response_avg') ? size : 0),
      answerCount: 0,
      answerNorms: new Float64Array(kinds.has('response_avg') ? wanted.length : 0),
      promptLast: new Float32Array(kinds.has('prompt_last') ? size : 0),
    };
    for (const layer of wanted) (isBefore ? before : after).add(layer);
  }
  const projections = (request.projections ?? []).map((read): ProjectionState => {
    const isBefore = read.side === 'before';
    (isBefore ? before : after).add(read.layer);
    let sum = 0;
    for (const x of read.direction) sum += x * x;
    const norm = Math.sqrt(sum);
    return {
      read,
      unit: read.direction.map((x) => x / norm),
      before: isBefore,
      result: {
        name: read.name,
        layer: read.layer,
        prompt: NaN,
        tokens: [],
        ...(read.prompt ? { promptTokens: [] } : {}),
      },
    };
  });
  return { means, projections, before, after };
}

/** Whether the row of this position is needed at all (so that the last block computes it). */
export function readsPosition(
  reads: ReadState,
  layer: number,
  position: number,
  promptLength: number,
): boolean {
  const { means } = reads;
  if (means?.layers.includes(layer)) {
    if (position < promptLength - 1) {
      if (means.kinds.has('prompt_avg')) return true;
    } else if (position === promptLength - 1) {
      if (means.kinds.has('prompt_avg') || means.kinds.has('prompt_last')) return true;
    } else if (means.kinds.has('response_avg')) return true;
  }
  return reads.projections.some(
    (p) => p.read.layer === layer && (position >= promptLength - 1 || p.read.prompt === true),
  );
}

/**
 * Takes the row of one token at one layer.
 * @param rows (n × d), `index` the token's row
 */
export function takeRow(
  reads: ReadState,
  layer: number,
  before: boolean,
  rows: Float32Array,
  index: number,
  d: number,
  position: number,
  promptLength: number,
): void {
  const offset = index * d;
  const { means } = reads;
  if (means && means.before === before) {
    const at = means.layers.indexOf(layer);
    if (at >= 0) {
      const to = at * d;
      if (position >= promptLength) {
        if (means.kinds.has('response_avg')) {
          addInto(means.answerSum, to, rows, offset, d);
          means.answerNorms[at] =
            means.answerNorms[at]! + Math.sqrt(dotAt(rows, offset, rows.subarray(offset, offset + d), d));
        }
      } else {
        if (means.kinds.has('prompt_avg')) addInto(means.promptSum, to, rows, offset, d);
        if (position === promptLength - 1 && means.kinds.has('prompt_last')) {
          means.promptLast.set(rows.subarray(offset, offset + d), to);
        }
      }
    }
  }
  for (const projection of reads.projections) {
    if (projection.before !== before || projection.read.layer !== layer) continue;
    if (position < promptLength - 1 && !projection.read.prompt) continue;
    const value = dotAt(rows, offset, projection.unit, d);
    const { result } = projection;
    if (position >= promptLength) result.tokens[position - promptLength] = value;
    else {
      if (position === promptLength - 1) result.prompt = value;
      if (result.promptTokens) result.promptTokens[position] = value;
    }
  }
}

function addInto(sum: Float64Array, to: number, rows: Float32Array, from: number, d: number): void {
  for (let i = 0; i < d; i++) sum[to + i] = sum[to + i]! + rows[from + i]!;
}

/** Counts tokens that were read, for the means' denominators. */
export function countRows(means: MeanState, position: number, count: number, promptLength: number): void {
  const inPrompt = Math.max(0, Math.min(count, promptLength - position));
  means.promptCount += inPrompt;
  means.answerCount += count - inPrompt;
}

/** Mean residual norm over answer tokens, (layers); undefined for an empty answer. */
export function finishNorms(means: MeanState): Float32Array | undefined {
  if (!means.kinds.has('response_avg') || means.answerCount === 0) return undefined;
  return Float32Array.from(means.answerNorms, (x) => x / means.answerCount);
}

/** The finished means; an empty answer has no response mean. */
export function finishMeans(means: MeanState): Partial<Record<MeanKind, Float32Array>> {
  const out: Partial<Record<MeanKind, Float32Array>> = {};
  if (means.kinds.has('response_avg') && means.answerCount > 0)
    out.response_avg = Float32Array.from(means.answerSum, (x) => x / means.answerCount);
  if (means.kinds.has('prompt_avg') && means.promptCount > 0)
    out.prompt_avg = Float32Array.from(means.promptSum, (x) => x / means.promptCount);
  if (means.kinds.has('prompt_last')) out.prompt_last = means.promptLast;
  return out;
}
