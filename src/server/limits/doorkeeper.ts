/**
 * Who comes in, before anything is done for them. In this order, cheapest first: the key, the length of the queue, the
 * size of the body, the key's requests and tokens. Behind it a handler finds `caller`, `settle` and `signal`.
 */

import type { Context, MiddlewareHandler } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { PersonaError } from '../../errors.ts';
import type { Caller } from '../../steer/policy/policy.ts';
import type { KeyHolder, Keyring } from '../keys/keyring.ts';
import { afterBody } from './body-end.ts';
import { openDepartures } from './departures.ts';
import { estimateTokens } from './estimate.ts';
import { type KeyLimits, openUsage } from './key-limits.ts';
import { refuse, type RefusedRequest } from './refusal.ts';

export interface DoorOptions {
  /** without one everybody is 'anonymous' */
  keyring?: Keyring | undefined;
  limits?: {
    /** of a key that has none of its own, and of all without a key together. @default none */
    requestsPerMinute?: number | undefined;
    tokensPerMinute?: number | undefined;
    /** @default 10 MiB */
    bodyBytes?: number | undefined;
    /** for the whole answer, also a streamed one. @default 600_000 */
    timeoutMs?: number | undefined;
    /** tokens that an answer is estimated at where its request leaves that open. @default 512 */
    answerTokens?: number | undefined;
  };
  queue?: {
    /** answers that are written at a time. @default 1 */
    running?: number | undefined;
    /** answers that may wait beside those. @default 64 */
    waiting?: number | undefined;
  };
  /** ms of a clock that only goes forward. @default performance.now */
  now?: (() => number) | undefined;
  /** for metrics: why somebody was turned away */
  onRefused?: ((code: string, keyId: string | undefined) => void) | undefined;
}

/** What handlers find with `c.get(…)`. */
export interface DoorVariables {
  caller: Caller;
  /** To be called with the tokens of prompt and answer when it ended; once, later calls are without effect. */
  settle: (tokens: number) => void;
  /** Aborts when the time is up, and when the client has gone. */
  signal: AbortSignal;
}

export interface DoorEnv {
  Variables: DoorVariables;
}

/** Longer than a full context of text; images are not taken. */
const BODY_BYTES = 10 * 2 ** 20;
const TIMEOUT_MS = 600_000;
const ANSWER_TOKENS = 512;
const WAITING = 64;

const ANONYMOUS: KeyHolder = {
  keyId: 'anonymous',
  name: 'anonymous',
  policy: undefined,
  limits: { requestsPerMinute: undefined, tokensPerMinute: undefined },
};

const NO_KEY: RefusedRequest = {
  status: 401,
  message: 'No valid API key: give one as "Authorization: Bearer pk_…" (persona keys add NAME makes one).',
  type: 'invalid_request_error',
  code: 'invalid_api_key',
};

/** The middleware, and how many answers wait now. Requests for no answer only need the key, and a body that is not too large. */
export type Doorkeeper = MiddlewareHandler<DoorEnv> & { waiting(): number };

export function doorkeeper(options: DoorOptions = {}): Doorkeeper {
  const { keyring, limits = {}, queue = {}, now = () => performance.now(), onRefused } = options;
  const { bodyBytes = BODY_BYTES, timeoutMs = TIMEOUT_MS, answerTokens = ANSWER_TOKENS } = limits;
  const { running = 1, waiting: mayWait = WAITING } = queue;
  const usage = openUsage(now);
  const departures = openDepartures(now);
  let inside = 0;

  function turnAway(c: Context<DoorEnv>, holder: KeyHolder | undefined, why: RefusedRequest): Response {
    onRefused?.(why.code, holder?.keyId);
    return refuse(c, why, holder === undefined ? {} : usage.headers(holder.keyId));
  }
  function queueFull(): RefusedRequest | undefined {
    if (inside < running + mayWait) return undefined;
    return {
      status: 429,
      message: `The server is busy: ${inside - running} requests wait already.`,
      type: 'server_busy',
      code: 'queue_full',
      retryAfterMs: departures.secondsUntil(inside - running - mayWait + 1) * 1000,
    };
  }
  function limitsOf({ limits: own }: KeyHolder): KeyLimits {
    return {
      requestsPerMinute: own.requestsPerMinute ?? limits.requestsPerMinute,
      tokensPerMinute: own.tokensPerMinute ?? limits.tokensPerMinute,
    };
  }

  const tooLarge: RefusedRequest = {
    status: 413,
    message: `The request is larger than ${bodyBytes} bytes.`,
    type: 'invalid_request_error',
    code: 'request_too_large',
  };
  const capBody = bodyLimit({ maxSize: bodyBytes, onError: (c) => turnAway(c, undefined, tooLarge) });

  const middleware: MiddlewareHandler<DoorEnv> = async (c, next) => {
    const holder = keyring ? keyring.authenticate(c.req.header('authorization')) : ANONYMOUS;
    if (holder === undefined) return turnAway(c, undefined, NO_KEY);
    c.set('caller', { keyId: holder.keyId, policy: holder.policy });
    c.set('settle', () => {});
    c.set('signal', c.req.raw.signal);
    if (!isAnswer(c)) return capBody(c, next);
    const full = queueFull();
    if (full) return turnAway(c, holder, full);
    let answer: Response | void = undefined;
    const capped = await capBody(c, async () => {
      answer = await admit(c, holder, next);
    });
    return answer ?? capped;
  };

  async function admit(
    c: Context<DoorEnv>,
    holder: KeyHolder,
    next: () => Promise<void>,
  ): Promise<Response | void> {
    const body = parsed(await c.req.text()); // hono keeps the text for the handler
    const full = queueFull(); // while the body came, others came too
    if (full) return turnAway(c, holder, full);
    const charge = usage.charge(holder.keyId, limitsOf(holder), estimateTokens(body, answerTokens));
    if (charge.by !== undefined) return turnAway(c, holder, overLimit(charge));

    inside++;
    const time = new AbortController();
    const timer = setTimeout(() => time.abort(timedOut(timeoutMs)), timeoutMs).unref();
    c.set('settle', charge.settle);
    c.set('signal', AbortSignal.any([c.req.raw.signal, time.signal]));
    function leave(): void {
      clearTimeout(timer);
      inside--;
      departures.ended();
    }
    try {
      if (await endsInTime(next(), time.signal)) {
        const { message } = timedOut(timeoutMs);
        c.res = refuse(c, { status: 504, message, type: 'server_error', code: 'timeout' });
      } else if (c.res.status >= 400) charge.settle(0); // unless the handler said otherwise, nothing was written
    } catch (error) {
      charge.settle(0);
      leave();
      throw error;
    }
    for (const [name, value] of Object.entries(usage.headers(holder.keyId))) c.header(name, value);
    const { res } = c;
    c.res = undefined; // else hono would join the headers of both
    c.res = afterBody(res, leave);
  }

  return Object.assign(middleware, { waiting: () => Math.max(0, inside - running) });
}

/** undefined for what is not JSON: the handler says what is wrong */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** /v1/completions, /v1/chat/completions */
function isAnswer({ req: { method, path } }: Context<DoorEnv>): boolean {
  return method === 'POST' && path.endsWith('/completions');
}

function overLimit({ by, limit, waitMs }: { by: string; limit: number; waitMs: number }): RefusedRequest {
  return {
    status: 429,
    message: `Rate limit reached for ${by}: this key may use ${limit} ${by} a minute.`,
    type: by,
    code: 'rate_limit_exceeded',
    retryAfterMs: waitMs,
  };
}

function timedOut(ms: number): PersonaError {
  return new PersonaError('ABORTED', `the answer was not written within ${ms / 1000} s`);
}

/** Whether the time was up first. */
async function endsInTime(work: Promise<void>, time: AbortSignal): Promise<boolean> {
  const up = Promise.withResolvers<true>();
  const onAbort = (): void => up.resolve(true);
  time.addEventListener('abort', onAbort, { once: true });
  work.catch(() => {}); // it may fail later, when nobody waits any more
  try {
    return await Promise.race([work.then(() => false), up.promise]);
  } finally {
    time.removeEventListener('abort', onAbort);
  }
}
