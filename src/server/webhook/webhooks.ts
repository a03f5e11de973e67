/**
 * Sends webhooks in the background: signed, at least once until the retries are used up, to public addresses only. A
 * receiver that hangs keeps up its own messages, and nobody else's; what is given up is counted and told.
 */

import { randomUUID } from 'node:crypto';
import { isPersonaError } from '../../errors.ts';
import { version } from '../../files/package-version.ts';
import { post } from './post.ts';
import { sign, SIGNATURE_HEADER } from './signature.ts';
import { checkWebhookUrl, findTarget, type TargetOptions } from './target.ts';

export interface WebhookOptions extends TargetOptions {
  /** shared with the receivers; without one nothing is signed */
  secret?: string | undefined;
  /** for one try, from the resolver to the answer's head. @default 10_000 */
  timeoutMs?: number | undefined;
  /** tries after the first one. @default 5 */
  retries?: number | undefined;
  /** before the first retry; doubles each time. @default 1000 */
  retryMs?: number | undefined;
  /** how long the end waits for those under way. @default 5000 */
  closeMs?: number | undefined;
  onProblem?: ((problem: string) => void) | undefined;
  onOutcome?: ((outcome: 'sent' | 'failed') => void) | undefined;
}

export interface Webhooks extends AsyncDisposable {
  /** Never throws and never waits. */
  send(url: string, payload: unknown): void;
  /** taken on, and neither sent nor given up */
  waiting(): number;
  failed(): number;
}

/** Held in memory (CWE-770). */
const MAX_WAITING = 1000;
const MAX_WAITING_CHARACTERS = 16 * 2 ** 20;
/** Connections at a time, and of these to one receiver. */
const MAX_OPEN = 8;
const MAX_OPEN_EACH = 2;
const MAX_RETRY_MS = 60_000;

interface Delivery {
  /** the same at each try, for receivers that want a message once */
  id: string;
  url: URL;
  body: string;
  tries: number;
  retry?: NodeJS.Timeout;
}

export function openWebhooks(options: WebhookOptions = {}): Webhooks {
  const { secret, timeoutMs = 10_000, retries = 5, retryMs = 1000, closeMs = 5000 } = options;
  const { onProblem, onOutcome } = options;
  const ready: Delivery[] = [];
  const resting = new Set<Delivery>(); // until their retry
  const open = new Map<string, number>(); // tries under way, by receiver
  let openNow = 0;
  let characters = 0;
  let failures = 0;
  let closed = false;
  const end = new AbortController();
  let emptied: (() => void) | undefined;

  function waiting(): number {
    return ready.length + resting.size + openNow;
  }
  function giveUp(host: string, why: string): void {
    failures++;
    onOutcome?.('failed');
    onProblem?.(`a webhook to ${host} was given up (${failures} in all): ${why}`);
  }
  /** Starts what may start: the oldest whose receiver has room. */
  function next(): void {
    while (openNow < MAX_OPEN) {
      const at = ready.findIndex(({ url }) => (open.get(url.host) ?? 0) < MAX_OPEN_EACH);
      if (at < 0) break;
      const [delivery] = ready.splice(at, 1);
      void attempt(delivery!);
    }
    if (waiting() === 0) emptied?.();
  }
  async function attempt(delivery: Delivery): Promise<void> {
    const { host } = delivery.url;
    open.set(host, (open.get(host) ?? 0) + 1);
    openNow++;
    const trouble = await tryOnce(delivery);
    openNow--;
    const left = open.get(host)! - 1;
    if (left > 0) open.set(host, left);
    else open.delete(host);
    if (trouble === undefined) {
      characters -= delivery.body.length;
      onOutcome?.('sent');
    } else if (trouble.final || closed || delivery.tries > retries) {
      characters -= delivery.body.length;
      giveUp(host, `${trouble.why}${delivery.tries > 1 ? ` (tried ${delivery.tries} times)` : ''}`);
    } else rest(delivery);
    next();
  }
  async function tryOnce(delivery: Delivery): Promise<{ why: string; final: boolean } | undefined> {
    delivery.tries++;
    const timeout = AbortSignal.timeout(timeoutMs);
    const signal = AbortSignal.any([timeout, end.signal]);
    try {
      const target = await orAborted(findTarget(delivery.url.href, options), signal);
      const status = await post(target, headersOf(delivery), delivery.body, signal);
      if (status >= 200 && status < 300) return undefined;
      const redirect = status >= 300 && status < 400;
      const why = redirect
        ? `it answered ${status}, and redirects are not followed`
        : `it answered ${status}`;
      return { why, final: redirect || status === 410 }; // gone, as its owner says
    } catch (error) {
      if (end.signal.aborted) return { why: 'the server ended', final: true };
      if (timeout.aborted) return { why: `no answer within ${timeoutMs / 1000} s`, final: false };
      return { why: (error as Error).message || (error as Error).name, final: isPersonaError(error) };
    }
  }
  function headersOf({ id, body }: Delivery): Record<string, string> {
    const headers = {
      'content-type': 'application/json',
      'user-agent': `persona-vectors/${version}`,
      'x-persona-delivery': id,
    };
    if (secret === undefined) return headers;
    return { ...headers, [SIGNATURE_HEADER]: sign(secret, body, Math.floor(Date.now() / 1000)) };
  }
  function rest(delivery: Delivery): void {
    const full = Math.min(MAX_RETRY_MS, retryMs * 2 ** (delivery.tries - 1));
    resting.add(delivery);
    delivery.retry = setTimeout(() => wake(delivery), full * (0.5 + Math.random() / 2)).unref();
  }
  function wake(delivery: Delivery): void {
    clearTimeout(delivery.retry);
    resting.delete(delivery);
    ready.push(delivery);
    next();
  }

  return {
    waiting,
    failed: () => failures,
    send(text, payload) {
      let host = 'an address that is none';
      try {
        const url = checkWebhookUrl(text);
        host = url.host;
        const body = JSON.stringify(payload) ?? 'null';
        if (closed) return giveUp(host, 'the server is ending');
        if (waiting() >= MAX_WAITING || characters + body.length > MAX_WAITING_CHARACTERS)
          return giveUp(host, 'too many wait');
        characters += body.length;
        ready.push({ id: randomUUID(), url, body, tries: 0 });
        next();
      } catch (error) {
        giveUp(host, (error as Error).message);
      }
    },
    /** All that wait get one more try, as far as the time goes. */
    async [Symbol.asyncDispose]() {
      if (closed) return;
      closed = true;
      const empty = new Promise<void>((resolve) => (emptied = resolve));
      for (const delivery of resting) wake(delivery);
      next();
      const late = setTimeout(() => {
        const left = ready.splice(0);
        end.abort(); // those under way fail, and are given up in turn
        for (const { url } of left) giveUp(url.host, 'the server ended');
      }, closeMs);
      await empty;
      clearTimeout(late);
    },
  };
}

/** A resolver cannot be stopped, but nobody has to wait for it. */
async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const onAbort = (): void => aborted.reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
