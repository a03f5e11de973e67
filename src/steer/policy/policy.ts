/**
 * What a policy is to whoever runs answers: it says what is watched, what always applies, and what is to be done, while
 * an answer is written.
 */

import type { Edit } from '../../engine/request.ts';
import type { AppliedSteering } from '../resolve.ts';
import type { AskedSpec } from './permission.ts';

/** A projection ⟨h, v⟩/‖v‖, raw and in standard deviations from the vector's neutral baseline, where it has one. */
export interface Reading {
  raw: number;
  z: number | undefined;
}

/** By the names of the watched traits. */
export type Readings = Readonly<Record<string, Reading>>;

/** Who asks. */
export interface Caller {
  /** of the key; 'anonymous' where the server wants none */
  keyId: string;
  /** name of the policy that holds for the key; undefined: the default one */
  policy: string | undefined;
}

export type Action = 'log' | 'header' | 'webhook' | 'cap' | 'stop' | 'regenerate' | 'fallback';

/** Edits, and what they are in words. */
export interface Acting {
  readonly edits: readonly Edit[];
  readonly applied: readonly AppliedSteering[];
}

/** What a policy wants done now. */
export type Decision = { rule: string } & (
  | { do: 'log' }
  | { do: 'header'; name: string; value: string }
  | { do: 'webhook'; url: string }
  /** edits that act from the next token on */
  | ({ do: 'cap' } & Acting)
  /** the answer ends here, with this finish reason */
  | { do: 'stop'; finishReason: string }
  /** the answer is thrown away and written once more with these edits */
  | ({ do: 'regenerate' } & Acting)
  /** the answer is replaced by this text */
  | { do: 'fallback'; text: string }
);

/** A rule that fired, for the answer's `persona` and for its event. */
export interface Fired {
  rule: string;
  action: Action;
  /** trait that the rule watches */
  trait: string;
  /** token of the answer at which it fired; −1: on the prompt's prediction */
  at: number;
  reading: Reading;
}

/** A policy at work on one answer; `edits` (caps, floors) always apply, after those of the request. */
export interface PolicyRun extends Acting {
  /** names of loaded vectors to be read, whatever the request asks for */
  readonly watch: readonly string[];
  /** Some rule may throw the answer away: nothing of it may be sent before its end. */
  readonly holdsBack: boolean;
  /** Some rule may change the answer at one of its tokens: the sooner it knows of each, the fewer come too late. */
  readonly intervenes: boolean;
  /** @throws PersonaError FORBIDDEN naming the field, when the caller may not steer so */
  checkSteering(asked: readonly AskedSpec[]): void;
  /** the reading at the last prompt token, before a word is written */
  onPrompt(readings: Readings): Decision[];
  onToken(index: number, readings: Readings): Decision[];
  fired(): readonly Fired[];
}

/** Gives each answer its policy. */
export interface Policies {
  /** @throws PersonaError when a policy names a vector that is not loaded */
  begin(caller: Caller, conversation: Conversation): PolicyRun;
  /** names of the vectors that the policies cannot do without */
  vectors?(): ReadonlySet<string>;
}

/** What an answer belongs to. */
export interface Conversation {
  /** given by the client (`persona.conversation` or the `x-conversation-id` header), or made of the first messages */
  id: string;
  /** answers of the assistant that came before */
  turn: number;
}
