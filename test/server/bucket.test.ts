import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fullBucket, giveBack, remaining, resetMs, take, waitFor } from '../../src/server/limits/bucket.ts';
import { openDepartures } from '../../src/server/limits/departures.ts';
import { estimateTokens } from '../../src/server/limits/estimate.ts';
import { durationText, openUsage } from '../../src/server/limits/key-limits.ts';

test('sixty a minute: sixty at once, then one a second', () => {
  const bucket = fullBucket(60, 0);
  for (let i = 0; i < 60; i++) expect(take(bucket, 1, 0)).toBe(0);
  expect(take(bucket, 1, 0)).toBe(1000);
  expect(take(bucket, 1, 400)).toBeCloseTo(600);
  expect(take(bucket, 1, 1000)).toBe(0);
  expect(remaining(bucket, 1500)).toBe(0);
  expect(resetMs(bucket, 1500)).toBeCloseTo(59_500);
});

test('more was used than was estimated: the debt is waited for', () => {
  const bucket = fullBucket(600, 0);
  expect(take(bucket, 100, 0)).toBe(0);
  giveBack(bucket, 100 - 1600, 0);
  expect(remaining(bucket, 0)).toBe(0);
  expect(waitFor(bucket, 100, 0)).toBe(110_000); // 1000 of debt and 100, at 10 a second
  giveBack(bucket, 10_000, 0);
  expect(remaining(bucket, 0)).toBe(600);
});

test('a clock that goes back gives nothing, and takes nothing', () => {
  const bucket = fullBucket(60, 100_000);
  for (let i = 0; i < 60; i++) take(bucket, 1, 100_000);
  expect(take(bucket, 1, 0)).toBe(1000);
  expect(remaining(bucket, 101_000)).toBe(1);
});

const steps = fc.array(
  fc.record({ amount: fc.integer({ min: 1, max: 40 }), pause: fc.integer({ min: -5000, max: 20_000 }) }),
  { maxLength: 60 },
);

test('no more is taken than what it held and what came since', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 100 }), steps, (perMinute, asked) => {
      const bucket = fullBucket(perMinute, 0);
      let now = 0;
      let furthest = 0;
      let taken = 0;
      for (const { amount, pause } of asked) {
        now += pause;
        furthest = Math.max(furthest, now);
        if (amount <= perMinute && take(bucket, amount, now) === 0) taken += amount;
        expect(taken).toBeLessThanOrEqual(perMinute + (furthest * perMinute) / 60_000 + 1e-3);
      }
    }),
  );
});

test('whoever waits as long as told gets what they asked for, and not a moment sooner', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 100 }), steps, (perMinute, asked) => {
      const bucket = fullBucket(perMinute, 0);
      let now = 0;
      for (const { amount, pause } of asked) {
        now += Math.max(0, pause);
        const wait = take(bucket, amount, now);
        if (wait === 0) continue;
        expect(waitFor(bucket, amount, now + wait * 0.99)).toBeGreaterThan(0);
        now += wait;
        expect(take(bucket, amount, now)).toBe(0);
      }
    }),
  );
});

test('tokens are charged by estimate and settled once; keys do not share', () => {
  const now = 0;
  const usage = openUsage(() => now);
  const limits = { requestsPerMinute: 10, tokensPerMinute: 1000 };
  const first = usage.charge('a', limits, 600);
  expect(usage.headers('a')).toEqual({
    'x-ratelimit-limit-requests': '10',
    'x-ratelimit-remaining-requests': '9',
    'x-ratelimit-reset-requests': '6s',
    'x-ratelimit-limit-tokens': '1000',
    'x-ratelimit-remaining-tokens': '400',
    'x-ratelimit-reset-tokens': '36s',
  });
  expect(usage.charge('a', limits, 600)).toEqual({
    by: 'tokens',
    limit: 1000,
    waitMs: expect.closeTo(12_000),
  });
  expect(usage.headers('a')['x-ratelimit-remaining-requests']).toBe('9'); // turned away: not charged
  expect(usage.charge('b', limits, 600).by).toBeUndefined();
  if (first.by !== undefined) throw new Error('expected to be let in');
  first.settle(100);
  first.settle(0);
  expect(usage.headers('a')['x-ratelimit-remaining-tokens']).toBe('900');
  expect(usage.charge('a', limits, 50_000).by).toBe('tokens'); // needs a full bucket
  const own = { requestsPerMinute: undefined, tokensPerMinute: 1000 };
  expect(usage.charge('c', own, 50_000).by).toBeUndefined();
  expect(usage.headers('c')).toMatchObject({
    'x-ratelimit-remaining-tokens': '0',
    'x-ratelimit-reset-tokens': '1m0s',
  });
});

test('times are written as OpenAI writes them', () => {
  const told = [0, 0.4, 12, 999.5, 1000, 1500, 59_999, 60_000, 360_000, 90_500, 3_600_000, 5_430_000].map(
    durationText,
  );
  expect(told).toEqual([
    '0s',
    '1ms',
    '12ms',
    '1s',
    '1s',
    '1.5s',
    '59.999s',
    '1m0s',
    '6m0s',
    '1m30.5s',
    '1h0m0s',
    '1h30m30s',
  ]);
});

test('a request is estimated by its texts and the longest answer that it asks for', () => {
  const messages = [{ role: 'user', content: 'x'.repeat(36) }]; // with the role 40 characters
  expect(estimateTokens({ messages, max_tokens: 100 }, 512)).toBe(110);
  expect(estimateTokens({ messages, max_tokens: 100, max_completion_tokens: 20, n: 3 }, 512)).toBe(70);
  expect(
    estimateTokens({ messages: [{ role: 'user', content: [{ type: 'text', text: 'x'.repeat(32) }] }] }, 512),
  ).toBe(522);
  expect(estimateTokens({ prompt: ['abcd', 'abcd'], max_tokens: -1 }, 512)).toBe(514);
  for (const strange of [undefined, null, 3, 'text', [], { max_tokens: 'many', n: 1e99 }])
    expect(Number.isFinite(estimateTokens(strange, 512))).toBe(true);
});

test('the wait is told from how fast answers end', () => {
  let now = 0;
  const departures = openDepartures(() => now);
  expect(departures.secondsUntil(1)).toBe(5); // nothing known
  for (now = 0; now <= 18_000; now += 2000) departures.ended();
  now = 20_000; // ten in twenty seconds
  expect(departures.secondsUntil(1)).toBe(2);
  expect(departures.secondsUntil(10)).toBe(20);
  expect(departures.secondsUntil(1000)).toBe(60);
  now = 200_000; // long ago
  expect(departures.secondsUntil(1)).toBe(5);
});
