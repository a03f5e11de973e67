/** An answer's event as the database takes it: the event whole as JSON, and beside it what is searched for. */

import type { AnswerEvent } from '../contracts.ts';

export interface EncodedEvent {
  /** ms since 1970 at which the request came */
  at: number;
  key: string;
  finish: string;
  /** mean z; null where the vector has no baseline */
  traits: [trait: string, z: number | null][];
  /** each once */
  rules: string[];
  json: string;
}

/** Far above the longest context: a larger event is a mistake, and is kept without its texts. */
const MAX_EVENT_CHARACTERS = 8 * 2 ** 20;

/** @throws TypeError for what cannot be JSON */
export function encodeEvent(event: AnswerEvent): EncodedEvent {
  const at = Date.parse(event.time);
  return {
    at: Number.isNaN(at) ? Date.now() : at,
    key: event.keyId,
    finish: event.finishReason,
    traits: Object.entries(event.traits).map(([trait, { mean }]) => [trait, finite(mean.z)]),
    rules: [...new Set(event.fired.map(({ rule }) => rule))],
    json: jsonOf(event),
  };
}

function jsonOf(event: AnswerEvent): string {
  const json = JSON.stringify(event);
  if (json.length <= MAX_EVENT_CHARACTERS) return json;
  const { text: _, ...rest } = event;
  return JSON.stringify(rest);
}

function finite(z: number | undefined): number | null {
  return z !== undefined && Number.isFinite(z) ? z : null;
}
