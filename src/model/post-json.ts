/**
 * Asks a server with JSON until it answers: busy and broken servers, cut connections, silence and garbled answers are
 * tried again, with growing random waits; a server that says when to come back is obeyed by all requests together.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { isPersonaError, PersonaError } from '../errors.ts';
import { abortedError, throwIfAborted } from './abort.ts';
import type { RequestGate } from './request-gate.ts';
import { retryAfterMs } from './retry-after.ts';

export interface PostOptions {
  /** secrets may be among them; they are in no message */
  headers: Record<string, string>;
  gate: RequestGate;
  /** tries after the first one */
  retries: number;
  /** bound of the first random wait; doubles each time */
  retryMs: number;
  /** for one try, until its last byte */
  timeoutMs: number;
  /** what a reader can do about a status that ends the asking */
  remedyFor: (status: number) => string | undefined;
  /** takes secrets out of what a server says */
  redact: (text: string) => string;
  signal?: AbortSignal | undefined;
  onNote?: ((note: string) => void) | undefined;
  fetch?: typeof fetch | undefined;
}

/** What is wanted of a judge is some kilobytes; a body without end would fill the memory (CWE-770). */
const MAX_ANSWER_BYTES = 16 * 2 ** 20;
/** Of what a server says about a mistake, as people are told. */
const MAX_SAID = 300;
/** The longest random wait between tries. */
const MAX_BACKOFF_MS = 30_000;
/** A server's wish to wait is granted up to here; a longer one (a day's quota) is an error that says so. */
const MAX_PAUSE_MS = 600_000;
/** Waits that a server asked for are no failures: an account of a few requests a minute sends many away before one's
 *  turn comes. So many are enough. */
const MAX_WAITS = 100;

/** The server understood and said no: asking again would bring the same. The cause of a PersonaError. */
class ServerRefusal extends Error {
  readonly status: number;
  /** what it said, secrets taken out */
  readonly said: string;
  /** every other request would be refused just so: the key, the address, the model or the account is at fault */
  readonly hopeless: boolean;

  constructor(status: number, said: string, hopeless: boolean) {
    super(`the server answered ${status}${said === '' ? '' : `: ${said}`}`);
    this.status = status;
    this.said = said;
    this.hopeless = hopeless;
  }
}

export function refusalOf(error: unknown): ServerRefusal | undefined {
  return isPersonaError(error) && error.cause instanceof ServerRefusal ? error.cause : undefined;
}

/** A try that failed in a way that another may not. */
class Retry extends Error {
  /** without what differs from time to time, for notes */
  readonly kind: string;
  readonly afterMs: number | undefined;
  constructor(kind: string, details = '', afterMs?: number) {
    super(details === '' ? kind : `${kind}: ${details}`);
    this.kind = kind;
    this.afterMs = afterMs;
  }
}

/**
 * @param read makes the result of the JSON; what it throws counts as a garbled answer
 * @throws PersonaError SERVER, with a ServerRefusal as its cause where the server said no; ABORTED
 */
export async function postJson<T>(
  url: string,
  body: object,
  read: (value: unknown) => T,
  options: PostOptions,
): Promise<T> {
  const { gate, signal, retries, retryMs } = options;
  let failures = 0;
  let waits = 0;
  for (;;) {
    const trouble = await attempt(url, body, read, options);
    if (!(trouble instanceof Retry)) return trouble;
    const asked = trouble.afterMs ?? 0;
    if (asked > 0) gate.pause(asked);
    const over = asked > 0 ? ++waits > MAX_WAITS : ++failures > retries;
    if (over) {
      throw new PersonaError(
        'SERVER',
        `${shownUrl(url)}: ${trouble.message} (tried ${failures + waits} times)`,
        {
          remedy: options.remedyFor(0) ?? 'Check that the server runs and can be reached.',
          cause: trouble,
        },
      );
    }
    options.onNote?.(`${shownUrl(url)}: ${trouble.kind}; trying again`);
    const jitter = Math.random() * Math.min(MAX_BACKOFF_MS, retryMs * 2 ** Math.max(0, failures - 1));
    await sleep(asked + jitter, undefined, { signal }).catch(() => throwIfAborted(signal));
  }
}

async function attempt<T>(
  url: string,
  body: object,
  read: (value: unknown) => T,
  options: PostOptions,
): Promise<T | Retry> {
  const leave = await options.gate.enter(options.signal);
  try {
    return await ask(url, body, read, options);
  } catch (error) {
    if (options.signal?.aborted) throw abortedError(options.signal);
    if (error instanceof Retry) return error;
    throw error;
  } finally {
    leave();
  }
}

async function ask<T>(
  url: string,
  body: object,
  read: (value: unknown) => T,
  options: PostOptions,
): Promise<T> {
  const { timeoutMs, signal, redact, fetch: send = fetch } = options;
  const timeout = AbortSignal.timeout(timeoutMs);
  let response: Response;
  let text: string;
  try {
    response = await send(url, {
      method: 'POST',
      headers: { ...options.headers, 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    });
    text = await readText(url, response);
  } catch (error) {
    if (isPersonaError(error) || signal?.aborted) throw error;
    throw new Retry(
      timeout.aborted ? `no whole answer within ${timeoutMs / 1000} s` : redact(networkReason(error)),
    );
  }
  if (!response.ok) throw refused(url, response, redact(text), options);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Retry('the answer is not JSON', JSON.stringify(brief(redact(text))));
  }
  try {
    return read(value);
  } catch (error) {
    throw new Retry('the answer is not what was asked for', redact(brief((error as Error).message)));
  }
}

async function readText(url: string, response: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    length += part.length;
    if (length > MAX_ANSWER_BYTES) {
      throw new PersonaError('SERVER', `${shownUrl(url)}: an answer of more than ${MAX_ANSWER_BYTES} bytes`, {
        remedy: 'Check that the address is that of an OpenAI-compatible API.',
      });
    }
    parts.push(part);
  }
  return Buffer.concat(parts).toString();
}

function refused(url: string, response: Response, text: string, options: PostOptions): Error {
  const { status } = response;
  const said = whatItSaid(text);
  const noMoney = status === 402 || (status === 429 && text.includes('insufficient_quota'));
  const busy = status === 408 || status === 409 || status === 429 || status >= 500;
  const afterMs = retryAfterMs(response.headers);
  if (busy && !noMoney && (afterMs ?? 0) <= MAX_PAUSE_MS) {
    return new Retry(`the server answered ${status}`, said, afterMs);
  }
  const hopeless = noMoney || [401, 403, 404, 405].includes(status) || (afterMs ?? 0) > MAX_PAUSE_MS;
  const refusal = new ServerRefusal(status, said, hopeless);
  const wait = busy && !noMoney ? ` (and asks to wait ${Math.round((afterMs ?? 0) / 1000)} s)` : '';
  const remedy = noMoney
    ? 'The account has no credit left: see to it, or name another server with OPENAI_BASE_URL.'
    : options.remedyFor(status);
  return new PersonaError('SERVER', `${shownUrl(url)}: ${refusal.message}${wait}`, {
    ...(remedy === undefined ? {} : { remedy }),
    cause: refusal,
  });
}

/** The message within the usual shapes of errors, else the text itself. */
function whatItSaid(text: string): string {
  try {
    const { error, message, detail } = JSON.parse(text) as Record<string, unknown>;
    const inner =
      typeof error === 'object' && error !== null ? (error as Record<string, unknown>) : undefined;
    const words = [inner ? inner['message'] : error, message, detail].find(
      (each) => each !== undefined && each !== null,
    );
    const param = typeof inner?.['param'] === 'string' ? ` (${inner['param']})` : '';
    if (words !== undefined)
      return brief((typeof words === 'string' ? words : JSON.stringify(words)) + param);
  } catch {
    // not JSON: a proxy's page, most likely
  }
  return brief(text);
}

function brief(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length > MAX_SAID ? `${line.slice(0, MAX_SAID)}…` : line;
}

/** fetch says "fetch failed"; why stands in its cause. */
function networkReason(error: unknown): string {
  const cause = (error as Error).cause;
  if (cause instanceof AggregateError && cause.errors[0] instanceof Error) return cause.errors[0].message;
  if (cause instanceof Error) return cause.message || cause.name;
  return (error as Error).message;
}

/** Without what may be secret in it: a query. */
function shownUrl(url: string): string {
  const { origin, pathname } = new URL(url);
  return origin + pathname;
}
