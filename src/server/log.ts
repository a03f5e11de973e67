/** The server's log: one JSON line an answer, on stderr; no prompts, no texts, no keys. */

import type { AnswerEvent } from './contracts.ts';

export interface AnswerLogOptions {
  /** takes one line, without its newline. @default stderr */
  sink?: ((line: string) => void) | undefined;
}

export type AnswerLog = (event: AnswerEvent, status: number) => void;

/** Of an error's words: enough to know it again. */
const MAX_ERROR = 200;
const KEYS = /\b(pk|sk)[_-][A-Za-z0-9_-]{8,}/g;

/** Never throws: a log that cannot be written must not break an answer. */
export function openAnswerLog(options: AnswerLogOptions = {}): AnswerLog {
  const { sink = (line: string): void => void process.stderr.write(`${line}\n`) } = options;
  return (event, status) => {
    try {
      sink(JSON.stringify(lineOf(event, status)));
    } catch {
      // the event store has the answer all the same
    }
  };
}

function lineOf(event: AnswerEvent, status: number): object {
  return {
    time: event.time,
    id: event.id,
    key: event.keyId,
    policy: event.policy,
    endpoint: event.endpoint,
    status,
    finish: event.finishReason,
    tokens: { prompt: event.promptTokens, cached: event.cachedTokens, completion: event.completionTokens },
    ms: Math.round(event.totalMs),
    first_token_ms: event.firstTokenMs === undefined ? undefined : Math.round(event.firstTokenMs),
    fired: [...new Set(event.fired.map(({ rule }) => rule))],
    error: event.error?.replace(KEYS, '$1_…').slice(0, MAX_ERROR),
  };
}
