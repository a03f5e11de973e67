/** Has the answers to one request written, all together: each choice, and beside it the same without the steering. */

import { randomUUID } from 'node:crypto';
import type { EngineRequest } from '../../engine/request.ts';
import { isPersonaError } from '../../errors.ts';
import type { Caller, Conversation, Decision } from '../../steer/policy/policy.ts';
import { NO_STEERING, type Steering } from '../../steer/resolve.ts';
import type { Pass } from '../breaker.ts';
import type { AnswerEvent } from '../contracts.ts';
import { ApiError, toApiError } from '../errors.ts';
import type { Served } from '../served.ts';
import { type Channel, channel } from './channel.ts';
import { appliedOf, traitSummaries } from './persona.ts';
import { askedSteering, defaultSteering, resolveAsked } from './steering.ts';
import type { SteeringField } from './steering-schema.ts';
import { askedWatches, type Watched, withPolicy } from './watching.ts';
import { type ChoicePlan, writeChoice, type Written, type WrittenToken } from './write-choice.ts';

export interface Asked {
  endpoint: AnswerEvent['endpoint'];
  idPrefix: string;
  /** tokens, and their text for the record */
  prompts: readonly { tokens: readonly number[]; text: string }[];
  /** how to write, without prompt, seed, edits and reads */
  request: Omit<EngineRequest, 'prompt'> & { maxTokens: number };
  seed: number;
  /** answers to each prompt */
  n: number;
  steering: SteeringField;
  monitor: readonly string[] | null | undefined;
  compare: boolean;
  stream: boolean;
  conversation: Conversation;
  caller: Caller;
  /** to be told the tokens of prompts and answers at the end */
  settle: (tokens: number) => void;
}

/** What the handlers need of the HTTP request beside its body. */
export interface Incoming {
  headers: Headers;
  /** the client has gone, or the time is up */
  signal: AbortSignal;
  settle: (tokens: number) => void;
}

export interface Answer {
  index: number;
  /** of which answer this is the unsteered one */
  baselineOf: number | undefined;
  seed: number;
  plan: ChoicePlan;
  done: Promise<Written>;
}

export type Update =
  | { answer: Answer; tokens: readonly WrittenToken[] }
  | { answer: Answer; written: Written };

export interface Answers {
  id: string;
  /** Unix time, s */
  created: number;
  model: string;
  answers: readonly Answer[];
  /** of policies; complete for a stream once it is opened */
  headers: Headers;
  /** some rule may throw an answer away: nothing is sent before its end */
  held: boolean;
  /** in the order in which they come */
  updates: Channel<Update>;
  /** The headers are known, and text has come or all is over; rejects with what went wrong before. */
  opened: Promise<unknown>;
  abort: (reason?: unknown) => void;
}

/**
 * Begins to write.
 * @param gone the client is no longer there
 * @throws ApiError of what cannot be honoured, before anything is written
 */
export function startAnswers(served: Served, asked: Asked, gone: AbortSignal): Answers {
  const specs = askedSteering(asked.steering, served);
  const watches = askedWatches(asked.monitor, served);
  const steering = resolveAsked(specs ?? defaultSteering(served), served);
  const stop = new AbortController();
  const signal = AbortSignal.any([gone, stop.signal]);
  const time = new Date();
  const id = `${asked.idPrefix}-${randomUUID()}`;
  const headers = new Headers();
  const updates = channel<Update>();
  const choices = asked.prompts.flatMap((prompt, p) =>
    Array.from({ length: asked.n }, (_, i) => ({ prompt, seed: asked.seed + i, index: p * asked.n + i })),
  );
  const plans = [
    ...choices.map((choice) => ({ ...choice, steering, baselineOf: undefined })),
    ...(asked.compare ? choices : []).map((choice) => ({
      ...choice,
      steering: NO_STEERING,
      index: choice.index + choices.length,
      baselineOf: choice.index,
    })),
  ].map((choice) => ({ ...choice, plan: planChoice(choice, choice.steering) }));

  const pass = enter(served);
  const opening: Promise<unknown>[] = [];
  let firstText = (): void => {};
  const anyText = new Promise<void>((resolve) => (firstText = resolve));
  const answers = plans.map(({ index, baselineOf, seed, plan, prompt }): Answer => {
    const prompted = Promise.withResolvers<void>();
    opening.push(prompted.promise);
    const answer: Answer = { index, baselineOf, seed, plan, done: write(prompted.resolve) };
    answer.done.catch((error: unknown) => {
      prompted.reject(error);
      stop.abort(error); // one without the others is no answer
    });
    prompted.promise.catch(() => {});
    return answer;

    async function write(onPrompted: () => void): Promise<Written> {
      await Promise.resolve(); // `answer` is made by then
      const begun = performance.now();
      let firstTokenMs: number | undefined;
      const onDecision = (decision: Decision): void => {
        if (decision.do === 'header') headers.set(decision.name, decision.value);
        else if (decision.do === 'webhook' || decision.do === 'log')
          served.notify?.(decision, id, {
            key: asked.caller.keyId,
            conversation: asked.conversation.id,
            fired: plan.policy.fired(),
          });
      };
      const record = (
        end: Pick<AnswerEvent, 'finishReason' | 'error'>,
        written: Written | undefined,
      ): void => {
        const traits = written ? traitSummaries(plan, written) : {};
        served.recorder.record({
          id: `${id}/${index}`,
          time: time.toISOString(),
          keyId: asked.caller.keyId,
          policy: asked.caller.policy,
          model: served.model.identity.name,
          endpoint: asked.endpoint,
          stream: asked.stream,
          conversation: asked.conversation,
          promptTokens: plan.request.prompt.length,
          cachedTokens: written?.cachedTokens ?? 0,
          completionTokens: written?.tokens.length ?? 0,
          firstTokenMs,
          totalMs: performance.now() - begun,
          ...end,
          traits,
          steering: appliedOf(plan),
          fired: plan.policy.fired(),
          ...(served.keepTexts && { text: { prompt: prompt.text, answer: written?.text ?? '' } }),
        });
      };
      try {
        const written = await writeChoice(served.model, plan, {
          signal,
          onDecision,
          onBegin: onPrompted,
          onTokens: (tokens) => {
            firstTokenMs ??= performance.now() - begun;
            firstText();
            if (!plan.policy.holdsBack) updates.push({ answer, tokens });
          },
        });
        onPrompted();
        record({ finishReason: written.finishReason, error: undefined }, written);
        updates.push({ answer, written });
        return written;
      } catch (error) {
        const aborted = isPersonaError(error) && error.code === 'ABORTED';
        const why = aborted ? undefined : (error as Error).message;
        record({ finishReason: aborted ? 'aborted' : 'error', error: why }, undefined);
        throw steeringFault(error, plan);
      }
    }
  });
  const all = Promise.all(answers.map(({ done }) => done));
  const opened = Promise.race([Promise.all(opening).then(() => Promise.race([anyText, all])), all]);
  opened.catch(() => {});
  void settle();
  return {
    id,
    created: Math.floor(time.getTime() / 1000),
    model: served.model.identity.name,
    answers,
    headers,
    held: answers.some(({ plan }) => plan.policy.holdsBack),
    updates,
    opened: answers.some(({ plan }) => plan.policy.holdsBack) ? all : opened,
    abort: (reason) => stop.abort(reason),
  };

  /** When all is over: what it cost, what it says of the engine, and that no more comes. */
  async function settle(): Promise<void> {
    try {
      const written = await all;
      pass?.answered();
      const prompts = asked.prompts.reduce((sum, { tokens }) => sum + tokens.length, 0);
      asked.settle(written.reduce((sum, { tokens }) => sum + tokens.length, prompts));
      updates.end();
    } catch (error) {
      if (isPersonaError(error) && error.code === 'ENGINE_CRASHED') {
        pass?.crashed();
        served.onEngineCrash?.();
      } else pass?.gone();
      updates.end(error);
    }
  }

  function planChoice(
    { prompt, seed }: { prompt: Asked['prompts'][number]; seed: number },
    steered: Steering,
  ): ChoicePlan {
    const policy = served.policies.begin(asked.caller, asked.conversation);
    if (specs)
      allow(() =>
        policy.checkSteering(
          specs.map(({ spec }) => spec),
          'steering',
        ),
      );
    const read: { watches: Watched[]; names: Map<string, Watched> } = withPolicy(
      watches,
      policy.watch,
      served,
    );
    const sampling = { ...asked.request.sampling, seed };
    return {
      request: { ...asked.request, prompt: prompt.tokens, sampling },
      steering: steered,
      watches: read.watches,
      policyNames: read.names,
      policy,
    };
  }
}

/** @throws ApiError 503 while the engine rests */
function enter({ breaker }: Served): Pass | undefined {
  const entered = breaker?.enter();
  if (!entered?.refusal) return entered?.pass;
  const { reason, retryAfterSeconds } = entered.refusal;
  throw new ApiError(`no answers now: ${reason}`, {
    status: 503,
    code: 'engine_crashed',
    retryAfter: retryAfterSeconds,
  });
}

/** A policy's refusal, with the field that its words begin with. */
function allow(check: () => void): void {
  try {
    check();
  } catch (error) {
    const { message } = toApiError(error);
    throw toApiError(error, /^steering[\w.[\]]*/.exec(message)?.[0] ?? 'steering');
  }
}

/** What an answer can fail of because of its steering: an overflow, a direction that is none. */
const STEERING_FAULTS: readonly string[] = ['ENGINE_FAILED', 'BAD_VECTOR', 'CANARY'];

function steeringFault(error: unknown, { steering }: ChoicePlan): unknown {
  if (!isPersonaError(error) || steering.edits.length === 0) return error;
  const { message } = toApiError(error);
  if (!STEERING_FAULTS.includes(error.code) && !message.startsWith('edits[')) return error;
  return new ApiError(`steering: ${message}`, { param: 'steering', code: 'steering_failed', cause: error });
}
