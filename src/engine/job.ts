/** A request on its way through the engine: what is known of it, and what it has so far. */

import { createHash } from 'node:crypto';
import { PersonaError } from '../errors.ts';
import { AnswerText } from './answer-text.ts';
import { compileEdits, touchesPrompt, type CompiledEdit } from './edits.ts';
import type { Pointer } from './ffi.ts';
import type { NativeModel } from './native-model.ts';
import { createReads, type ReadState } from './reads.ts';
import type { EngineRequest, FinishReason, TokenEvent, TokenLogprobs } from './request.ts';
import { createSampler } from './sampler.ts';
import type { Slot } from './slots.ts';

export interface Job {
  id: number;
  request: EngineRequest;
  prompt: number[];
  /** given, or sampled so far */
  answer: number[];
  given: boolean;
  edits: CompiledEdit[];
  editLayers: ReadonlySet<number>;
  reads: ReadState;
  /** text is to be predicted, so the whole network is computed */
  needsLogits: boolean;
  /** every answer token is fed, also the last one (reads are to include it) */
  feedsLast: boolean;
  /** blocks this request computes */
  depth: number;
  prefixKey: string;
  /** prompt lengths at which prompt sums are kept for others */
  checkpointsAt: number[];
  sampler: Pointer | undefined;
  text: AnswerText;
  pieces: string[];
  logprobs: TokenLogprobs[];
  slot: Slot | undefined;
  /** tokens in the KV cache */
  fed: number;
  cached: number;
  /** no more tokens are sampled */
  finish: FinishReason | undefined;
  /** answer tokens told of so far */
  told: number;
  onEvents: (events: TokenEvent[]) => void;
}

/** Most directions that one request may carry; each costs a dot product per token. */
const MAX_READS_AND_EDITS = 1024;

/**
 * Checks a request against the model and makes it ready.
 * @throws PersonaError naming the field
 */
export function createJob(
  id: number,
  request: EngineRequest,
  model: NativeModel,
  onEvents: Job['onEvents'],
): Job {
  const { layers, width, contextPerRequest } = model.info;
  const edits = request.edits ?? [];
  const projections = request.projections ?? [];
  if (edits.length + projections.length > MAX_READS_AND_EDITS) {
    throw new PersonaError(
      'USAGE',
      `${edits.length} edits and ${projections.length} projections; at most ${MAX_READS_AND_EDITS} together`,
    );
  }
  edits.forEach((edit, i) => {
    checkLayer(`edits[${i}].layer`, edit.layer, layers);
    checkDirection(`edits[${i}].direction`, edit.direction, width);
    if (edit.op === 'add' && !Number.isFinite(edit.coefficient)) {
      throw new PersonaError(
        'USAGE',
        `edits[${i}].coefficient must be a finite number, got ${edit.coefficient}`,
      );
    }
    if (edit.op === 'cap') {
      if (edit.above === undefined && edit.below === undefined) {
        throw new PersonaError('USAGE', `edits[${i}]: a cap needs a bound, above or below`);
      }
      if (
        Number.isNaN(edit.above ?? 0) ||
        Number.isNaN(edit.below ?? 0) ||
        (edit.below ?? -Infinity) > (edit.above ?? Infinity)
      ) {
        throw new PersonaError(
          'USAGE',
          `edits[${i}]: below ${edit.below} and above ${edit.above} bound nothing`,
        );
      }
    }
    if (edit.when) checkDirection(`edits[${i}].when.direction`, edit.when.direction, width);
  });
  projections.forEach((read, i) => {
    checkLayer(`projections[${i}].layer`, read.layer, layers);
    checkDirection(`projections[${i}].direction`, read.direction, width);
  });
  if (request.means && request.means.layers !== 'all') {
    request.means.layers.forEach((layer, i) => checkLayer(`means.layers[${i}]`, layer, layers));
  }

  const prompt = tokensOf('prompt', request.prompt, model, true);
  if (prompt.length === 0) throw new PersonaError('USAGE', 'prompt: empty; at least one token is needed');
  const given = request.answer !== undefined;
  const answer = given ? tokensOf('answer', request.answer!, model, false) : [];
  const maxTokens = given ? answer.length : (request.maxTokens ?? 0);
  if (!Number.isInteger(maxTokens) || maxTokens < 0)
    throw new PersonaError('USAGE', `maxTokens must be 0 or more, got ${maxTokens}`);
  if (prompt.length + maxTokens > contextPerRequest) {
    throw new PersonaError(
      'CONTEXT_FULL',
      `prompt of ${prompt.length} tokens + answer of up to ${maxTokens} = ${prompt.length + maxTokens}; a request has ${contextPerRequest}`,
      { remedy: 'shorten the prompt, lower the answer length, or raise --context' },
    );
  }

  const reads = createReads(request, layers, width);
  const readsAnything = reads.before.size + reads.after.size > 0;
  const samples = !given && maxTokens > 0;
  const needsLogits = samples || (request.topLogprobs !== undefined && answer.length > 0);
  const highest = Math.max(-1, ...reads.before, ...reads.after);
  const compiled = compileEdits(edits);
  return {
    id,
    request,
    prompt,
    answer,
    given,
    edits: compiled,
    editLayers: new Set(compiled.map((edit) => edit.layer)),
    reads,
    needsLogits,
    feedsLast: readsAnything,
    depth: needsLogits ? layers : highest + 1,
    prefixKey: prefixKey(compiled),
    checkpointsAt: [],
    sampler: samples ? createSampler(model.native, model.info.vocabulary, request.sampling ?? {}) : undefined,
    text: new AnswerText(request.stop ?? []),
    pieces: [],
    logprobs: [],
    slot: undefined,
    fed: 0,
    cached: 0,
    finish: given || !samples ? (given ? 'given' : 'length') : undefined,
    told: 0,
    onEvents,
  };
}

/** Tokens that have to be in the cache when the job is over, as far as is known now. */
export function target(job: Job): number {
  const all = job.prompt.length + job.answer.length;
  // the last token of a finished answer predicts nothing that is wanted; feed it only to read it
  return job.finish !== undefined && !job.feedsLast && job.answer.length > 0 ? all - 1 : all;
}

export function remaining(job: Job): number {
  return target(job) - job.fed;
}

/** Whether the row of this position needs logits. */
export function wantsLogits(job: Job, position: number): boolean {
  if (!job.needsLogits || position < job.prompt.length - 1) return false;
  return job.given ? position < job.prompt.length - 1 + job.answer.length : job.finish === undefined;
}

export function tokenAt(job: Job, position: number): number {
  return position < job.prompt.length ? job.prompt[position]! : job.answer[position - job.prompt.length]!;
}

/** Positions from which on the KV cache is this request's own. */
export function shareableLength(job: Job): number {
  const own = job.edits.some((edit) => edit.scope !== 'all');
  return own ? job.prompt.length - 1 : Infinity;
}

function prefixKey(edits: readonly CompiledEdit[]): string {
  const touching = edits.filter((edit) => touchesPrompt(edit.scope));
  if (touching.length === 0) return '';
  const hash = createHash('sha256');
  for (const edit of touching) {
    hash.update(`${edit.layer} ${edit.op} ${edit.scope} ${edit.above} ${edit.below} `).update(edit.vector);
    if (edit.when) hash.update(`when ${edit.when.above} ${edit.when.below} `).update(edit.when.unit);
  }
  return hash.digest('hex');
}

function tokensOf(
  field: string,
  value: string | readonly number[],
  model: NativeModel,
  parseSpecial: boolean,
): number[] {
  if (typeof value === 'string') return model.tokenize(value, parseSpecial);
  value.forEach((token, i) => {
    if (!Number.isInteger(token) || token < 0 || token >= model.info.vocabulary) {
      throw new PersonaError(
        'USAGE',
        `${field}[${i}]: no token ${token} in a vocabulary of ${model.info.vocabulary}`,
      );
    }
  });
  return [...value];
}

function checkLayer(field: string, layer: number, layers: number): void {
  if (!Number.isInteger(layer) || layer < 0 || layer >= layers) {
    throw new PersonaError(
      'USAGE',
      `${field}: no layer ${layer} in a model of ${layers} (0 … ${layers - 1})`,
    );
  }
}

function checkDirection(field: string, direction: Float32Array, width: number): void {
  if (direction.length !== width)
    throw new PersonaError('BAD_VECTOR', `${field}: width ${direction.length}, the model has ${width}`);
  let sum = 0;
  for (const x of direction) sum += x * x;
  if (!Number.isFinite(sum))
    throw new PersonaError('BAD_VECTOR', `${field}: holds values that are not finite`);
  if (sum === 0) throw new PersonaError('BAD_VECTOR', `${field}: all zero; it points nowhere`);
}
