/**
 * Writes one answer under its policy: reads while it writes, asks the policy at the prompt and at each token, and does
 * what it decides.
 */

import type { RunControl } from '../../engine/engine.ts';
import type { EngineRequest, EngineResult, TokenEvent, TokenLogprobs } from '../../engine/request.ts';
import type { ChatModel } from '../../model/chat-model.ts';
import { tokenZ } from '../../monitor/baseline.ts';
import type { Acting, Decision, PolicyRun, Reading, Readings } from '../../steer/policy/policy.ts';
import type { AppliedSteering, Steering } from '../../steer/resolve.ts';
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
  /** what acted, in the order of the edits: the request's, the policy's, those that its rules brought in */
  applied: readonly AppliedSteering[];
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
type Attempt = { result: EngineResult; interrupt?: undefined } | { interrupt: Interrupt };

export async function writeChoice(
  { engine }: Pick<ChatModel, 'engine'>,
  plan: ChoicePlan,
  hooks: Hooks,
): Promise<Written> {
  const { request, watches, policy } = plan;
  const projections = readsOf(watches);
  let acting = actingAtFirst(plan);
  let tokens: WrittenToken[] = [];
  let prompt: readonly number[] | undefined;
  let again = false; // it is thrown away at most once

  for (;;) {
    const { interrupt, ...whole } = await attempt();
    switch (interrupt?.do) {
      case undefined: {
        const { finishReason, editsApplied, cachedTokens } = (whole as { result: EngineResult }).result;
        return end(finishReason, { editsApplied, cachedTokens });
      }
      case 'stop':
        return end(interrupt.finishReason);
      case 'fallback':
        return { ...end(REPLACED), text: interrupt.text };
      case 'regenerate':
      case 'cap': // at the prompt: from the first word on
        again ||= interrupt.do === 'regenerate';
        tokens = [];
        acting = joined(acting, interrupt);
    }
  }

  async function attempt(): Promise<Attempt> {
    const stop = new AbortController();
    let control: RunControl | undefined;
    let interrupt: Interrupt | undefined;
    const interruptBy = (decision: Interrupt): void => {
      interrupt ??= decision;
      stop.abort();
    };

    /** What is thrown while the engine tells of something fails this answer, not the process. */
    function guarded<T>(tell: (told: T) => void): (told: T) => void {
      return (told) => {
        try {
          tell(told);
        } catch (error) {
          stop.abort(error);
        }
      };
    }

    function onPrompt(read: readonly number[]): void {
      if (prompt === undefined && plan.policyNames.size > 0) {
        for (const decision of policy.onPrompt(policyReadings(plan, read))) {
          if (interrupts(decision)) interruptBy(decision);
          else hooks.onDecision(decision);
        }
      }
      prompt = read;
      if (!interrupt) hooks.onBegin();
    }

    function onEvents(events: readonly TokenEvent[]): void {
      const told: WrittenToken[] = [];
      for (const { token, text, logprobs, projections: read = [] } of events) {
        if (interrupt) break; // what came after it was decided is none of the answer
        const written = { token, text, ...(logprobs && { logprobs }), projections: read };
        told.push(written);
        tokens.push(written);
        if (plan.policyNames.size > 0) obey(policy.onToken(tokens.length - 1, policyReadings(plan, read)));
      }
      if (told.length > 0) hooks.onTokens(told);
    }

    function obey(decisions: readonly Decision[]): void {
      for (const decision of decisions) {
        if (decision.do === 'cap') {
          acting = joined(acting, decision);
          // an answer without the cap is none
          control!.addEdits(decision.edits).catch((error: unknown) => stop.abort(error));
        } else if (!interrupts(decision)) hooks.onDecision(decision);
        else if (decision.do === 'stop') interruptBy(decision);
        else if (!policy.holdsBack) interruptBy({ ...decision, do: 'stop', finishReason: REPLACED }); // it is sent already
        else if (decision.do === 'fallback' || !again) interruptBy(decision);
      }
    }

    try {
      if (plan.policyNames.size === 0) hooks.onBegin();
      const result = await engine.run(
        { ...request, edits: acting.edits, projections, tellAtOnce: policy.intervenes },
        {
          signal: AbortSignal.any([hooks.signal, stop.signal]),
          onPrompt: guarded(onPrompt),
          onEvents: guarded(onEvents),
          onStart: (given) => (control = given),
        },
      );
      return interrupt ? { interrupt } : { result };
    } catch (error) {
      if (hooks.signal.aborted || !stop.signal.aborted) throw error;
      if (interrupt) return { interrupt };
      throw stop.signal.reason;
    }
  }

  function end(
    finishReason: string,
    known: Partial<Pick<EngineResult, 'editsApplied' | 'cachedTokens'>> = {},
  ): Written {
    const { editsApplied, cachedTokens = 0 } = known;
    const text = tokens.map((token) => token.text).join('');
    return { text, tokens, finishReason, cachedTokens, prompt, applied: acting.applied, editsApplied };
  }
}

/** What acts from the first token on. */
export function actingAtFirst({ steering, policy }: ChoicePlan): Acting {
  return joined(steering, policy);
}

function joined(a: Acting, b: Acting): Acting {
  return { edits: [...a.edits, ...b.edits], applied: [...a.applied, ...b.applied] };
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
