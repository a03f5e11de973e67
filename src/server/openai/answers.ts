/** Has the answers to one request written, all together, and tells of them as they come. */

import { randomUUID } from 'node:crypto';
import { isPersonaError } from '../../errors.ts';
import type { Decision } from '../../steer/policy/policy.ts';
import type { Pass } from '../breaker.ts';
import { ApiError, engineRests, toApiError } from '../errors.ts';
import type { Served } from '../served.ts';
import { type End, eventOf } from './answer-event.ts';
import { type Channel, channel } from './channel.ts';
import { type Asked, planAnswers, type Planned } from './plan.ts';
import { type ChoicePlan, writeChoice, type Written, type WrittenToken } from './write-choice.ts';

export interface Answer extends Planned {
  done: Promise<Written>;
}

/** Tokens of an answer, in whose stream they may be sent at once; at last the whole. */
export type Update = { of: Planned } & ({ tokens: readonly WrittenToken[] } | { written: Written });

export interface Answers {
  id: string;
  time: Date;
  answers: readonly Answer[];
  /** of policies; complete for a stream once it is opened */
  headers: Headers;
  /** some rule may throw an answer away: nothing is sent before its end */
  held: boolean;
  /** in the order in which they come */
  updates: Channel<Update>;
  /** The headers are known, and text has come or all is over; rejects with what went wrong before. */
  opened: Promise<unknown>;
  abort: () => void;
}

/**
 * Begins to write.
 * @param gone the client is no longer there
 * @throws ApiError of what cannot be honoured, before anything is written
 */
export function startAnswers(served: Served, asked: Asked, gone: AbortSignal): Answers {
  const planned = planAnswers(served, asked);
  const pass = enter(served);
  const head = { id: `${asked.idPrefix}-${randomUUID()}`, time: new Date() };
  const headers = new Headers();
  const updates = channel<Update>();
  const stop = new AbortController();
  const signal = AbortSignal.any([gone, stop.signal]);
  const firstText = Promise.withResolvers<void>();

  const begun = planned.map(() => Promise.withResolvers<void>());
  const answers = planned.map((each, i): Answer => ({ ...each, done: write(each, begun[i]!.resolve) }));
  const all = Promise.all(answers.map(({ done }) => done));
  const over = settle();
  served.underWay.add(over);
  void over.then(() => served.underWay.delete(over));
  const held = planned.some(({ plan }) => plan.policy.holdsBack);
  const allBegun = Promise.all(begun.map(({ promise }) => promise));
  const told = allBegun.then(() => firstText.promise);
  return {
    ...head,
    answers,
    headers,
    held,
    updates,
    opened: held ? all : Promise.race([told, all]),
    abort: () => stop.abort(),
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
        if (pass?.crashed() ?? true) served.onEngineCrash?.();
      } else pass?.gone();
      stop.abort(error); // one without the others is no answer
      updates.end(error);
      await Promise.allSettled(answers.map(({ done }) => done)); // each has its record
    }
  }

  async function write(each: Planned, onBegin: () => void): Promise<Written> {
    const { plan } = each;
    const start = performance.now();
    let firstTokenMs: number | undefined;
    let tokens = 0;
    const record = (how: Pick<End, 'finishReason' | 'error'>, written?: Written): void => {
      const totalMs = performance.now() - start;
      const completionTokens = written?.tokens.length ?? tokens;
      const end = { firstTokenMs, totalMs, completionTokens, ...how };
      served.recorder.record(eventOf(served, asked, each, head, end, written));
    };
    try {
      const written = await writeChoice(served.model, plan, {
        signal,
        onBegin,
        onDecision: (decision) => decide(decision, plan),
        onTokens: (some) => {
          firstTokenMs ??= performance.now() - start;
          tokens += some.length;
          if (!plan.policy.holdsBack) updates.push({ of: each, tokens: some });
          firstText.resolve();
        },
      });
      onBegin();
      record({ finishReason: written.finishReason, error: undefined }, written);
      updates.push({ of: each, written });
      return written;
    } catch (error) {
      if (isPersonaError(error) && error.code === 'ABORTED')
        record({ finishReason: 'aborted', error: undefined });
      else record({ finishReason: 'error', error: (error as Error).message });
      throw steeringFault(error, plan);
    }
  }

  function decide(decision: Decision, { policy }: ChoicePlan): void {
    if (decision.do === 'header') headers.set(decision.name, decision.value);
    else if (decision.do === 'webhook' || decision.do === 'log')
      served.notify?.(decision, head.id, {
        key: asked.caller.keyId,
        conversation: asked.conversation.id,
        fired: policy.fired(),
      });
  }
}

/** @throws ApiError 503 while the engine rests */
function enter({ breaker }: Served): Pass | undefined {
  const entered = breaker?.enter();
  if (entered?.refusal) throw engineRests(entered.refusal);
  return entered?.pass;
}

/** What an answer can fail of because of its steering: an overflow, a direction that is none. */
const STEERING_FAULTS: readonly string[] = ['ENGINE_FAILED', 'BAD_VECTOR', 'CANARY'];

function steeringFault(error: unknown, { steering }: ChoicePlan): unknown {
  if (!isPersonaError(error) || steering.edits.length === 0) return error;
  const { message } = toApiError(error);
  if (!STEERING_FAULTS.includes(error.code) && !message.startsWith('edits[')) return error;
  return new ApiError(`steering: ${message}`, { param: 'steering', code: 'steering_failed', cause: error });
}
