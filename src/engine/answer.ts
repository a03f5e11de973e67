/** How a request's answer comes about: a token is sampled or scored, told of, and in the end summed up as the result. */

import { PersonaError } from '../errors.ts';
import { target, type Job } from './job.ts';
import type { NativeModel } from './native-model.ts';
import { finishMeans, finishNorms } from './reads.ts';
import type { EngineResult, TokenEvent } from './request.ts';
import { largest, logSumExp } from './logits.ts';

/** Draws the next token from the logits of a row, or scores the one that is given. */
export function predict(job: Job, position: number, row: number, model: NativeModel): void {
  const { request } = job;
  const logits = model.logits(row);
  // a stream that overflowed makes every logit NaN
  if (Number.isNaN(logits[0])) {
    throw new PersonaError(
      'ENGINE_FAILED',
      'the prediction is not a number: the residual stream overflowed',
      {
        remedy: 'lower the coefficients of the edits',
      },
    );
  }
  if (job.given) {
    keepLogprobs(job, job.answer[position - job.prompt.length + 1]!, logits, model);
    return;
  }
  const token = job.sampler!.pick(row);
  if (model.endsGeneration(token) && !request.ignoreEnd) job.finish = 'stop';
  else {
    if (request.topLogprobs !== undefined) keepLogprobs(job, token, logits, model);
    job.answer.push(token);
    job.pieces.push(job.text.push(model.pieceBytes(token)));
    if (job.text.stopped) job.finish = 'stop';
    else if (job.answer.length >= request.maxTokens!) job.finish = 'length';
  }
  // what was held back belongs to the last token
  if (job.finish !== undefined && job.pieces.length > 0) job.pieces[job.pieces.length - 1] += job.text.end();
}

function keepLogprobs(job: Job, token: number, logits: Float32Array, model: NativeModel): void {
  const sum = logSumExp(logits);
  job.logprobs.push({
    logprob: logits[token]! - sum,
    top: largest(logits, job.request.topLogprobs!).map(({ token: id, logit }) => ({
      token: id,
      text: Buffer.from(model.pieceBytes(id, true)).toString(),
      logprob: logit - sum,
    })),
  });
}

/** Tells of tokens as soon as everything about them is known: their text, and with projections, once they were fed. */
export function tell(job: Job): void {
  if (job.given) return;
  const { reads, request } = job;
  if (job.told < 0) {
    if (job.fed < job.prompt.length) return;
    job.told = 0;
    job.onEvents(
      [],
      reads.projections.map(({ result }) => result.prompt),
    );
  }
  const fed = reads.projections.length > 0 ? Math.max(0, job.fed - job.prompt.length) : Infinity;
  // the last token's text may still grow
  const whole = job.answer.length - (job.finish === undefined && job.text.pending ? 1 : 0);
  const known = Math.min(fed, whole);
  if (job.told >= known) return;
  const events: TokenEvent[] = [];
  for (let index = job.told; index < known; index++) {
    events.push({
      index,
      token: job.answer[index]!,
      text: job.pieces[index]!,
      ...(request.topLogprobs === undefined ? {} : { logprobs: job.logprobs[index]! }),
      ...(reads.projections.length === 0
        ? {}
        : { projections: reads.projections.map(({ result }) => result.tokens[index]!) }),
    });
  }
  job.told = known;
  job.onEvents(events);
}

export function isDone(job: Job): boolean {
  return job.finish !== undefined && job.fed >= target(job);
}

export function resultOf(job: Job, model: NativeModel): EngineResult {
  const { means, projections } = job.reads;
  const norms = means && finishNorms(means);
  const { answer, topLogprobs } = job.request;
  return {
    tokens: job.answer,
    text: !job.given ? job.text.text : typeof answer === 'string' ? answer : model.text(job.answer),
    finishReason: job.finish!,
    promptTokens: job.prompt.length,
    cachedTokens: job.cached,
    editsApplied: job.edits.map((edit) => edit.applied),
    ...(topLogprobs === undefined ? {} : { logprobs: job.logprobs }),
    ...(means ? { means: finishMeans(means), meanLayers: means.layers } : {}),
    ...(norms ? { residualNorms: norms } : {}),
    ...(projections.length === 0 ? {} : { projections: projections.map(({ result }) => result) }),
  };
}
