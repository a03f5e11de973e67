/**
 * Writes one answer under its policy: reads while it writes, asks the policy at the prompt and at each token, and does
 * what it decides.
 */

import type { RunOptions } from '../../engine/engine.ts';
import type { Edit, EngineRequest, EngineResult, TokenEvent, TokenLogprobs } from '../../engine/request.ts';
import { isPersonaError } from '../../errors.ts';
import type { ChatModel } from '../../model/chat-model.ts';
import { tokenZ } from '../../monitor/baseline.ts';
import type { Decision, PolicyRun, Reading, Readings } from '../../steer/policy/policy.ts';
import type { Steering } from '../../steer/resolve.ts';
import { applyEdits, type RunControl } from './apply-edits.ts';
import { readsOf, type Watched } from './watching.ts';

export interface ChoicePlan {
  /** tokens of the prompt, and how to write; without edits and reads */
  request: EngineRequest & { prompt: readonly number[]; maxTokens: number };
  /** the request's, or the server's default */
  steering: Steering;
  watches: readonly Watched[];
  policy: PolicyRun;
  /** which of the watches the policy knows by which name */
  policyNames: ReadonlyMap<string, Watched>;
}

export interface WrittenToken {
  token: number;
  /** text that became certain with this token */
  text: string;
  logprobs?: TokenLogprobs;
  /** in the order of the watches */
  projections: readonly number[];
}

export interface Written {
  text: string;
  tokens: readonly WrittenToken[];
  finishReason: string;
  cachedTokens: number;
  /** at the last prompt token, in the order of the watches; undefined where the answer ended before it was told */
  prompt: readonly number[] | undefined;
  /** per edit, at how many token positions it changed the stream; undefined where the answer was cut off */
  editsApplied: readonly number[] | undefined;
}

export interface Hooks {
  signal: AbortSignal;
  /** the policy saw the prompt, and writing begins */
  onBegin: () => void;
  onTokens: (tokens: readonly WrittenToken[]) => void;
  /** decisions that do not change the text */
  onDecision: (decision: Decision) => void;
}

/** The reason that OpenAI gives for an answer that was kept back. */
const REPLACED = 'content_filter';

type Interrupt = Extract<Decision, { do: 'cap' | 'stop' | 'regenerate' | 'fallback' }>;

/** How an attempt at writing ended: by itself, or because the policy wants something else. */
interface Attempt {
  result: EngineResult | undefined;
  interrupt: Interrupt | undefined;
}

/** @param promptReads the prompt's projections, where they are known (from `readPrompt`) */
export async function writeChoice(
  { engine }: Pick<ChatModel, 'engine'>,
  plan: ChoicePlan,
  hooks: Hooks,
  promptReads: readonly number[] | undefined,
): Promise<Written> {
  const { request, watches, policy } = plan;
  const projections = readsOf(watches);
  let edits: Edit[] = [...plan.steering.edits, ...policy.edits];
  let tokens: WrittenToken[] = [];
  let cachedTokens = 0;
  let prompt = promptReads;
  let again = false; // it is thrown away at most once

  if (promptReads) {
    const decisions = policy.onPrompt(policyReadings(plan, promptReads));
    for (const decision of decisions) {
      if (decision.do === 'stop') return end(decision.finishReason, undefined);
      if (decision.do === 'fallback') return replaced(decision.text);
      if (decision.do === 'cap' || decision.do === 'regenerate') edits = [...edits, ...decision.edits];
      else hooks.onDecision(decision);
    }
  }

  hooks.onBegin();
  for (;;) {
    const { result, interrupt } = await attempt();
    if (result) {
      if (tokens.length === result.tokens.length) prompt ??= result.projections?.map((read) => read.prompt);
      cachedTokens ||= result.cachedTokens;
    }
    switch (interrupt?.do) {
      case undefined:
        return end(result!.finishReason, result!.editsApplied);
      case 'stop':
        return end(interrupt.finishReason, result?.editsApplied);
      case 'fallback':
        return replaced(interrupt.text);
      case 'regenerate':
        again = true;
        tokens = [];
        edits = [...edits, ...interrupt.edits];
        break;
      case 'cap': // goes on from the tokens so far
        edits = [...edits, ...interrupt.edits];
        if (tokens.length >= request.maxTokens) return end('length', undefined);
    }
  }

  async function attempt(): Promise<Attempt> {
    const stop = new AbortController();
    let control: RunControl | undefined;
    let interrupt: Interrupt | undefined;
    const onEvents = (events: TokenEvent[]): void => {
      const told: WrittenToken[] = [];
      for (const { token, text, logprobs, projections: read = [] } of events) {
        if (interrupt) break; // what came after it was decided is none of the answer
        const written = { token, text, ...(logprobs && { logprobs }), projections: read };
        told.push(written);
        tokens.push(written);
        for (const decision of policy.onToken(tokens.length - 1, policyReadings(plan, read))) {
          if (decision.do === 'regenerate' && again) continue;
          if (decision.do === 'cap' && applyEdits(control, [...edits, ...decision.edits]))
            edits = [...edits, ...decision.edits];
          else if (interrupts(decision)) interrupt ??= decision;
          else hooks.onDecision(decision);
        }
      }
      if (told.length > 0) hooks.onTokens(told);
      if (interrupt) stop.abort();
    };
    const options: RunOptions & { onStart: (given: RunControl) => void } = {
      signal: AbortSignal.any([hooks.signal, stop.signal]),
      onEvents,
      onStart: (given) => (control = given),
    };
    try {
      const result = await engine.run(
        {
          ...request,
          prompt: [...request.prompt, ...tokens.map(({ token }) => token)],
          maxTokens: request.maxTokens - tokens.length,
          edits,
          projections,
        },
        options,
      );
      return { result, interrupt };
    } catch (error) {
      if (interrupt && !hooks.signal.aborted && isPersonaError(error) && error.code === 'ABORTED')
        return { result: undefined, interrupt };
      throw error;
    }
  }

  function end(finishReason: string, editsApplied: readonly number[] | undefined): Written {
    const text = tokens.map((token) => token.text).join('');
    return { text, tokens, finishReason, cachedTokens, prompt, editsApplied };
  }

  function replaced(text: string): Written {
    return { ...end(REPLACED, undefined), text };
  }
}

/**
 * The prediction, before a word is written. One token is written for it and thrown away: so the whole network is
 * computed, and the answer finds all of its prompt but the last token in the cache.
 */
export async function readPrompt(
  { engine }: Pick<ChatModel, 'engine'>,
  { request, steering, watches, policy }: ChoicePlan,
  signal: AbortSignal,
): Promise<number[]> {
  const edits = [...steering.edits, ...policy.edits];
  const result = await engine.run(
    { prompt: request.prompt, maxTokens: 1, ignoreEnd: true, edits, projections: readsOf(watches) },
    { signal },
  );
  return result.projections!.map(({ prompt }) => prompt);
}

export function readingAt({ vector, layer }: Watched, raw: number): Reading {
  return { raw, z: tokenZ(raw, vector.baseline, layer) ?? undefined };
}

function policyReadings({ watches, policyNames }: ChoicePlan, projections: readonly number[]): Readings {
  return Object.fromEntries(
    [...policyNames].map(([name, watch]) => [name, readingAt(watch, projections[watches.indexOf(watch)]!)]),
  );
}

function interrupts(decision: Decision): decision is Interrupt {
  return decision.do !== 'log' && decision.do !== 'header' && decision.do !== 'webhook';
}
