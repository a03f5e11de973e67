/** What a request takes from the residual stream: means over tokens, and projections token by token. */

import { dotAt, unitVector } from './edits.ts';
import { ANSWER, BODY, LAST, partOf } from './part.ts';
import type { EngineRequest, MeanKind, ProjectionRead, ProjectionResult } from './request.ts';

export interface MeanState {
  layers: number[];
  /** layer → its row in the sums */
  rowOf: ReadonlyMap<number, number>;
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
  projectionsAt: ReadonlyMap<number, ProjectionState[]>;
  /** layer → the parts of the text wanted there, before and after the layer's own edits */
  before: ReadonlyMap<number, number>;
  after: ReadonlyMap<number, number>;
}

export function createReads(request: EngineRequest, layers: number, d: number): ReadState {
  const before = new Map<number, number>();
  const after = new Map<number, number>();
  const want = (side: Map<number, number>, layer: number, parts: number): unknown =>
    side.set(layer, (side.get(layer) ?? 0) | parts);

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
      rowOf: new Map(wanted.map((layer, row) => [layer, row])),
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
    const parts =
      (kinds.has('prompt_avg') ? BODY | LAST : 0) |
      (kinds.has('prompt_last') ? LAST : 0) |
      (kinds.has('response_avg') ? ANSWER : 0);
    for (const layer of wanted) want(isBefore ? before : after, layer, parts);
  }

  const projections = (request.projections ?? []).map((read): ProjectionState => {
    const isBefore = read.side === 'before';
    want(isBefore ? before : after, read.layer, LAST | ANSWER | (read.prompt ? BODY : 0));
    return {
      read,
      unit: unitVector(read.direction),
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
  const projectionsAt = Map.groupBy(projections, (projection) => projection.read.layer);
  return { means, projections, projectionsAt, before, after };
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
  const part = partOf(position, promptLength);
  const { means } = reads;
  const row = means?.before === before ? means.rowOf.get(layer) : undefined;
  if (means && row !== undefined) {
    const { kinds } = means;
    if (part === ANSWER) {
      if (kinds.has('response_avg')) {
        addInto(means.answerSum, row * d, rows, offset, d);
        const values = rows.subarray(offset, offset + d);
        means.answerNorms[row] = means.answerNorms[row]! + Math.sqrt(dotAt(values, 0, values, d));
      }
    } else {
      if (kinds.has('prompt_avg')) addInto(means.promptSum, row * d, rows, offset, d);
      if (part === LAST && kinds.has('prompt_last'))
        means.promptLast.set(rows.subarray(offset, offset + d), row * d);
    }
  }
  for (const { before: side, read, unit, result } of reads.projectionsAt.get(layer) ?? []) {
    if (side !== before || (part === BODY && !read.prompt)) continue;
    const value = dotAt(rows, offset, unit, d);
    if (part === ANSWER) result.tokens[position - promptLength] = value;
    else if (part === LAST) result.prompt = value;
    if (part !== ANSWER && result.promptTokens) result.promptTokens[position] = value;
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
