/** A request on its way through the engine: what is known of it, and what it has so far. */

import { createHash } from 'node:crypto';
import { PersonaError } from '../errors.ts';
import { AnswerText } from './answer-text.ts';
import { compileEdits, touchesPrompt, type CompiledEdit } from './edits.ts';
import type { NativeModel } from './native-model.ts';
import { ANSWER, partOf, SCOPE_PARTS } from './part.ts';
import { createReads, type ReadState } from './reads.ts';
import type { Edit, EngineRequest, FinishReason, TokenEvent, TokenLogprobs } from './request.ts';
import { createSampler, type Sampler } from './sampler.ts';
import type { Slot } from './slots.ts';

export interface Job {
  id: number;
  request: EngineRequest;
  prompt: number[];
  /** given, or sampled so far */
  answer: number[];
  given: boolean;
  edits: CompiledEdit[];
  /** by layer, those that reach something this request wants to know */
  editsAt: ReadonlyMap<number, CompiledEdit[]>;
  /** edits joined after it began */
  changed: boolean;
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
  /** none where the answer is given; freed with the job */
  sampler: Sampler | undefined;
  text: AnswerText;
  pieces: string[];
  logprobs: TokenLogprobs[];
  slot: Slot | undefined;
  /** tokens in the KV cache */
  fed: number;
  cached: number;
  /** no more tokens are sampled */
  finish: FinishReason | undefined;
  /** answer tokens told of so far; −1: not even the prompt's projections */
  told: number;
  onEvents: (events: TokenEvent[], prompt?: number[]) => void;
}

/**
 * Makes a request ready that checkRequest has let pass.
 * @throws PersonaError USAGE for tokens that do not exist, CONTEXT_FULL
 */
export function createJob(
  id: number,
  request: EngineRequest,
  model: NativeModel,
  onEvents: Job['onEvents'],
): Job {
  const { layers, width, contextPerRequest } = model.info;

  const prompt = tokensOf('prompt', request.prompt, model, true);
  if (prompt.length === 0) throw new PersonaError('USAGE', 'prompt: empty; at least one token is needed');
  const given = request.answer !== undefined;
  const answer = given ? tokensOf('answer', request.answer!, model, false) : [];
  const maxTokens = given ? answer.length : (request.maxTokens ?? 0);
  if (prompt.length + maxTokens > contextPerRequest) {
    throw new PersonaError(
      'CONTEXT_FULL',
      `prompt of ${prompt.length} tokens + answer of up to ${maxTokens} = ${prompt.length + maxTokens}; a request has ${contextPerRequest}`,
      { remedy: 'shorten the prompt, lower the answer length, or raise --context' },
    );
  }

  const reads = createReads(request, layers, width);
  const wanted = [...reads.before, ...reads.after]; // (layer, parts)
  const samples = !given && maxTokens > 0;
  const needsLogits = samples || (request.topLogprobs !== undefined && answer.length > 0);
  const depth = needsLogits ? layers : 1 + Math.max(0, ...wanted.map(([layer]) => layer));
  const edits = compileEdits(request.edits ?? []);
  return {
    id,
    request,
    prompt,
    answer,
    given,
    edits,
    editsAt: byLayer(edits, depth),
    changed: false,
    reads,
    needsLogits,
    feedsLast: wanted.some(([, parts]) => (parts & ANSWER) !== 0),
    depth,
    prefixKey: prefixKey(edits),
    checkpointsAt: [],
    sampler: samples ? createSampler(model, request.sampling ?? {}, request.grammar) : undefined,
    text: new AnswerText(request.stop ?? []),
    pieces: [],
    logprobs: [],
    slot: undefined,
    fed: 0,
    cached: 0,
    finish: given ? 'given' : samples ? undefined : 'length',
    told: given || reads.projections.length === 0 ? 0 : -1,
    onEvents,
  };
}

/** More edits from the next token on. What is computed by them belongs to this request alone. */
export function addEdits(job: Job, edits: readonly Edit[]): void {
  job.edits.push(...compileEdits(edits));
  job.editsAt = byLayer(job.edits, job.depth);
  job.changed = true;
}

function byLayer(edits: readonly CompiledEdit[], depth: number): Map<number, CompiledEdit[]> {
  return Map.groupBy(
    edits.filter((edit) => edit.layer < depth),
    (edit) => edit.layer,
  );
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

/** Whether the logits of this position's row are wanted. */
export function wantsLogits(job: Job, position: number): boolean {
  if (!job.needsLogits || position < job.prompt.length - 1) return false;
  return job.given ? position < job.prompt.length - 1 + job.answer.length : job.finish === undefined;
}

/** Whether the last block has to compute this position's row: it is predicted from, or read there. */
export function putsOut(job: Job, position: number, layers: number): boolean {
  if (wantsLogits(job, position)) return true;
  const last = layers - 1;
  const parts = (job.reads.before.get(last) ?? 0) | (job.reads.after.get(last) ?? 0);
  return (parts & partOf(position, job.prompt.length)) !== 0;
}

export function tokenAt(job: Job, position: number): number {
  return position < job.prompt.length ? job.prompt[position]! : job.answer[position - job.prompt.length]!;
}

/** Positions from which on the KV cache is this request's own: only an edit of everything goes on as it began. */
export function shareableLength(job: Job): number {
  const asBegun = !job.changed && job.edits.every((edit) => edit.parts === SCOPE_PARTS.all);
  return asBegun ? Infinity : job.prompt.length - 1;
}

/** Equal where the edits do the same to the prompt before its last token. */
function prefixKey(edits: readonly CompiledEdit[]): string {
  const touching = edits.filter(touchesPrompt);
  if (touching.length === 0) return '';
  const hash = createHash('sha256');
  for (const edit of touching) {
    hash.update(`${edit.layer} ${edit.op} ${edit.parts} ${edit.above} ${edit.below} `).update(edit.vector);
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
  model.checkTokens(field, value);
  return [...value];
}
