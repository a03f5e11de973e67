/** From one request to the answers that it wants: each choice, and beside it the same without the steering. */

import type { EngineRequest } from '../../engine/request.ts';
import type { Caller, Conversation } from '../../steer/policy/policy.ts';
import { NO_STEERING } from '../../steer/resolve.ts';
import type { AnswerEvent } from '../contracts.ts';
import { toApiError } from '../errors.ts';
import type { Served } from '../served.ts';
import { askedSteering, defaultSteering, resolveAsked } from './steering.ts';
import type { SteeringField } from './steering-schema.ts';
import { askedWatches, withPolicy } from './watching.ts';
import type { ChoicePlan } from './write-choice.ts';

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

export interface Planned {
  index: number;
  /** of which answer this is the unsteered one */
  baselineOf: number | undefined;
  seed: number;
  prompt: Asked['prompts'][number];
  plan: ChoicePlan;
}

/** @throws ApiError of what cannot be honoured */
export function planAnswers(served: Served, asked: Asked): Planned[] {
  const specs = askedSteering(asked.steering, served);
  const watches = askedWatches(asked.monitor, served);
  const steering = resolveAsked(specs ?? defaultSteering(served), served);
  const choices = asked.prompts.flatMap((prompt, p) =>
    Array.from({ length: asked.n }, (_, i) => ({ prompt, seed: asked.seed + i, index: p * asked.n + i })),
  );
  const steered = choices.map((choice) => ({ ...choice, steering, baselineOf: undefined }));
  const unsteered = choices.map((choice) => ({
    ...choice,
    steering: NO_STEERING,
    index: choices.length + choice.index,
    baselineOf: choice.index,
  }));
  return [...steered, ...(asked.compare ? unsteered : [])].map(({ steering: own, ...choice }) => {
    const policy = served.policies.begin(asked.caller, asked.conversation);
    if (specs) allow(() => policy.checkSteering(specs));
    const { watches: all, names } = withPolicy(watches, policy.watch, served);
    const sampling = { ...asked.request.sampling, seed: choice.seed };
    const request = { ...asked.request, prompt: choice.prompt.tokens, sampling };
    return { ...choice, plan: { request, steering: own, watches: all, policyNames: names, policy } };
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
