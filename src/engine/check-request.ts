/** What makes a request impossible, said with the field's path. Tokens are checked where they are made (job.ts). */

import { PersonaError } from '../errors.ts';
import type { Edit, EngineRequest, ModelInfo, Sampling } from './request.ts';

/** Most directions that one request may carry; each costs a dot product per token. */
const MAX_DIRECTIONS = 1024;
/** Alternatives told per token; more is a distribution, and slow to sort out. */
const MAX_TOP_LOGPROBS = 1000;
/** Characters; llama.cpp's parser recurses, and its rules are walked at every token. */
const MAX_GRAMMAR = 100_000;
/** The stream is f32. */
const F32_MAX = 3.4e38;
/** Tokens that a sampler may keep or look back on; it allocates for them. */
const MAX_SAMPLER_TOKENS = 1_000_000;

/** @throws PersonaError USAGE or BAD_VECTOR naming the field */
export function checkRequest(request: EngineRequest, info: ModelInfo): void {
  const edits = request.edits ?? [];
  const projections = request.projections ?? [];
  if (edits.length + projections.length > MAX_DIRECTIONS) {
    refuse(`${edits.length} edits and ${projections.length} projections; at most ${MAX_DIRECTIONS} together`);
  }
  checkEdits(edits, info);
  if (request.grammar !== undefined) {
    if (request.grammar.length > MAX_GRAMMAR)
      refuse(`grammar: ${request.grammar.length} characters; at most ${MAX_GRAMMAR}`);
    if (request.ignoreEnd) refuse('grammar: a text that follows one ends with it, so ignoreEnd cannot be');
  }
  projections.forEach((read, i) => {
    checkLayer(`projections[${i}].layer`, read.layer, info.layers);
    checkDirection(`projections[${i}].direction`, read.direction, info.width);
  });
  if (request.means && request.means.layers !== 'all') {
    const { layers } = request.means;
    layers.forEach((layer, i) => {
      checkLayer(`means.layers[${i}]`, layer, info.layers);
      if (layers.indexOf(layer) < i) refuse(`means.layers[${i}]: layer ${layer} is there twice`);
    });
  }
  checkRange('maxTokens', request.maxTokens, 0, Infinity, 'whole');
  checkRange('topLogprobs', request.topLogprobs, 0, MAX_TOP_LOGPROBS, 'whole');
  checkSampling(request.sampling ?? {});
}

/** @throws PersonaError USAGE or BAD_VECTOR naming the field */
export function checkEdits(edits: readonly Edit[], info: ModelInfo): void {
  edits.forEach((edit, i) => checkEdit(`edits[${i}]`, edit, info));
}

function checkEdit(field: string, edit: Edit, info: ModelInfo): void {
  checkLayer(`${field}.layer`, edit.layer, info.layers);
  const norm = checkDirection(`${field}.direction`, edit.direction, info.width);
  if (edit.op === 'add') {
    checkRange(`${field}.coefficient`, edit.coefficient, -Infinity, Infinity);
    if (Math.abs(edit.coefficient) * norm > F32_MAX)
      refuse(`${field}.coefficient: ${edit.coefficient} times a direction of length ${norm} is too large`);
  }
  if (edit.op === 'cap') {
    if (edit.above === undefined && edit.below === undefined)
      refuse(`${field}: a cap needs a bound, above or below`);
    checkBounds(field, edit);
    if ((edit.below ?? -Infinity) > (edit.above ?? Infinity))
      refuse(`${field}: nothing is both at least ${edit.below} (below) and at most ${edit.above} (above)`);
  }
  if (edit.when) {
    checkDirection(`${field}.when.direction`, edit.when.direction, info.width);
    checkBounds(`${field}.when`, edit.when);
  }
}

function checkBounds(field: string, bounds: { above?: number; below?: number }): void {
  checkRange(`${field}.above`, bounds.above, -Infinity, Infinity);
  checkRange(`${field}.below`, bounds.below, -Infinity, Infinity);
}

function checkSampling(sampling: Sampling): void {
  checkRange('sampling.temperature', sampling.temperature, 0, Infinity);
  checkRange('sampling.topK', sampling.topK, 0, MAX_SAMPLER_TOKENS, 'whole');
  checkRange('sampling.topP', sampling.topP, 0, 1);
  checkRange('sampling.minP', sampling.minP, 0, 1);
  checkRange('sampling.repeatPenalty', sampling.repeatPenalty, Number.MIN_VALUE, Infinity);
  checkRange('sampling.frequencyPenalty', sampling.frequencyPenalty, -Infinity, Infinity);
  checkRange('sampling.presencePenalty', sampling.presencePenalty, -Infinity, Infinity);
  checkRange('sampling.penaltyLast', sampling.penaltyLast, 0, MAX_SAMPLER_TOKENS, 'whole');
  checkRange('sampling.seed', sampling.seed, -Infinity, Infinity, 'whole');
}

function checkRange(
  field: string,
  value: number | undefined,
  least: number,
  most: number,
  kind: 'finite' | 'whole' = 'finite',
): void {
  if (value === undefined) return;
  const fits = kind === 'whole' ? Number.isSafeInteger(value) : Number.isFinite(value);
  if (fits && value >= least && value <= most) return;
  const bounds = [
    ...(least === -Infinity ? [] : [least === Number.MIN_VALUE ? 'above 0' : `at least ${least}`]),
    ...(most === Infinity ? [] : [`at most ${most}`]),
  ].join(' and ');
  refuse(`${field} must be a ${kind} number${bounds ? `, ${bounds}` : ''}; got ${value}`);
}

function checkLayer(field: string, layer: number, layers: number): void {
  if (!Number.isInteger(layer) || layer < 0 || layer >= layers)
    refuse(`${field}: no layer ${layer} in a model of ${layers} (0 … ${layers - 1})`);
}

/** @returns ‖direction‖ */
function checkDirection(field: string, direction: Float32Array, width: number): number {
  const bad = (what: string): never => {
    throw new PersonaError('BAD_VECTOR', `${field}: ${what}`);
  };
  if (direction.length !== width) bad(`width ${direction.length}, the model has ${width}`);
  let sum = 0;
  for (const x of direction) sum += x * x;
  if (!Number.isFinite(sum)) bad('holds values that are not finite');
  if (sum === 0) bad('all zero; it points nowhere');
  return Math.sqrt(sum);
}

function refuse(what: string): never {
  throw new PersonaError('USAGE', what);
}
