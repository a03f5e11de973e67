/** What the parts of the server promise each other about an answer that was written. */

import type { FinishReason } from '../engine/request.ts';
import type { Conversation, Fired, Reading } from '../steer/policy/policy.ts';
import type { AppliedSteering } from '../steer/resolve.ts';

/** Figures of one trait over one answer. */
export interface TraitSummary {
  layer: number;
  mean: Reading;
  max: Reading;
  last: Reading;
  /** at the last prompt token: the prediction before a word was written */
  prompt: Reading;
}

/** One answer, as it is remembered. */
export interface AnswerEvent {
  id: string;
  /** ISO time at which the request came */
  time: string;
  keyId: string;
  policy: string | undefined;
  model: string;
  endpoint: '/v1/chat/completions' | '/v1/completions';
  stream: boolean;
  conversation: Conversation;
  promptTokens: number;
  cachedTokens: number;
  completionTokens: number;
  /** milliseconds from the request to the first token, and to the end */
  firstTokenMs: number | undefined;
  totalMs: number;
  finishReason: FinishReason | 'error' | 'aborted' | (string & {});
  error: string | undefined;
  traits: Record<string, TraitSummary>;
  steering: readonly AppliedSteering[];
  fired: readonly Fired[];
  /** only where the server was told to keep texts */
  text?: { prompt: string; answer: string };
}

/** Remembers answers; never throws, and never makes an answer wait. */
export interface Recorder extends AsyncDisposable {
  record(event: AnswerEvent): void;
}
