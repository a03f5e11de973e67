/** What one key may use in a minute: requests and tokens, each in a bucket of its own; charged before, settled after. */

import { type Bucket, fullBucket, giveBack, remaining, resetMs, take, waitFor } from './bucket.ts';

export interface KeyLimits {
  /** undefined: as many as there are */
  requestsPerMinute: number | undefined;
  tokensPerMinute: number | undefined;
}

export type Limited = 'requests' | 'tokens';

/** What a request was charged, or what it has to wait for. */
export type Charge =
  | { by?: undefined; settle: (tokens: number) => void }
  | { by: Limited; limit: number; waitMs: number };

export interface Usage {
  /** @param estimate tokens of prompt and answer */
  charge(keyId: string, limits: KeyLimits, estimate: number): Charge;
  /** `x-ratelimit-…`, for the answer */
  headers(keyId: string): Record<string, string>;
}

interface Account {
  limits: KeyLimits;
  buckets: Partial<Record<Limited, Bucket>>;
}

/** @param now ms of a clock that only goes forward */
export function openUsage(now: () => number): Usage {
  const accounts = new Map<string, Account>(); // of keys that exist, so that there are not many

  function accountOf(keyId: string, limits: KeyLimits): Account {
    const known = accounts.get(keyId);
    if (known && sameLimits(known.limits, limits)) return known;
    const { requestsPerMinute, tokensPerMinute } = limits;
    const buckets: Account['buckets'] = {};
    if (requestsPerMinute !== undefined) buckets.requests = fullBucket(requestsPerMinute, now());
    if (tokensPerMinute !== undefined) buckets.tokens = fullBucket(tokensPerMinute, now());
    const account = { limits, buckets };
    accounts.set(keyId, account);
    return account;
  }

  return {
    charge(keyId, limits, estimate) {
      const { buckets } = accountOf(keyId, limits);
      const { requests, tokens } = buckets;
      const at = now();
      // an answer that may be longer than a minute's worth begins with a full bucket, and is settled by what it was
      const charged = tokens === undefined ? 0 : Math.min(estimate, tokens.capacity);
      const waitTokens = tokens === undefined ? 0 : waitFor(tokens, charged, at);
      if (waitTokens > 0) return { by: 'tokens', limit: tokens!.capacity, waitMs: waitTokens };
      const waitRequests = requests === undefined ? 0 : take(requests, 1, at);
      if (waitRequests > 0) return { by: 'requests', limit: requests!.capacity, waitMs: waitRequests };
      if (tokens !== undefined) take(tokens, charged, at);
      let settled = false;
      return {
        settle(used) {
          if (settled || !Number.isFinite(used)) return;
          settled = true;
          if (tokens !== undefined) giveBack(tokens, charged - used, now());
        },
      };
    },
    headers(keyId) {
      const headers: Record<string, string> = {};
      const buckets = accounts.get(keyId)?.buckets ?? {};
      for (const kind of ['requests', 'tokens'] as const) {
        const bucket = buckets[kind];
        if (bucket === undefined) continue;
        headers[`x-ratelimit-limit-${kind}`] = String(bucket.capacity);
        headers[`x-ratelimit-remaining-${kind}`] = String(remaining(bucket, now()));
        headers[`x-ratelimit-reset-${kind}`] = durationText(resetMs(bucket, now()));
      }
      return headers;
    },
  };
}

function sameLimits(a: KeyLimits, b: KeyLimits): boolean {
  return a.requestsPerMinute === b.requestsPerMinute && a.tokensPerMinute === b.tokensPerMinute;
}

/** As OpenAI writes it. durationText(12) = '12ms', durationText(1000) = '1s', durationText(360_000) = '6m0s' */
export function durationText(ms: number): string {
  const whole = Math.ceil(ms);
  if (whole < 1000) return whole === 0 ? '0s' : `${whole}ms`;
  const minutes = Math.floor(whole / 60_000);
  const seconds = (whole % 60_000) / 1000;
  if (minutes === 0) return `${seconds}s`;
  const hours = Math.floor(minutes / 60);
  return hours === 0 ? `${minutes}m${seconds}s` : `${hours}h${minutes % 60}m${seconds}s`;
}
