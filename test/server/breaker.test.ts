import { Hono } from 'hono';
import { expect, test } from 'vitest';
import { type Breaker, type BreakerState, openBreaker, type Pass } from '../../src/server/breaker.ts';
import { engineRests, errorResponse } from '../../src/server/errors.ts';

function at(): { breaker: Breaker; clock: { now: number }; seen: BreakerState[] } {
  const clock = { now: 1000 };
  const seen: BreakerState[] = [];
  return {
    breaker: openBreaker({ now: () => clock.now, onChange: (state) => seen.push(state) }),
    clock,
    seen,
  };
}

function enter(breaker: Breaker): Pass {
  const { pass, refusal } = breaker.enter();
  if (!pass) throw new Error(refusal.reason);
  return pass;
}

function crash(breaker: Breaker): void {
  enter(breaker).crashed();
}

test('three crashes within a minute open it for 30 seconds, and say how long it stays so', () => {
  const { breaker, clock } = at();
  crash(breaker);
  clock.now += 29_000;
  crash(breaker);
  clock.now += 30_000;
  expect(breaker.state()).toBe('closed');
  crash(breaker);
  expect(breaker.state()).toBe('open');
  clock.now += 10_500;
  expect(breaker.enter().refusal).toEqual({
    reason: expect.stringContaining('crashed 3 times'),
    retryAfterSeconds: 20,
  });
  clock.now += 19_499;
  expect(breaker.state()).toBe('open');
  clock.now += 1;
  expect(breaker.state()).toBe('half-open');
});

test('crashes that lie a minute apart do not add up', () => {
  const { breaker, clock } = at();
  for (let i = 0; i < 10; i++) {
    crash(breaker);
    clock.now += 30_000;
  }
  expect(breaker.state()).toBe('closed');
});

test('the crash under many requests counts once', () => {
  const { breaker } = at();
  const passes = Array.from({ length: 16 }, () => enter(breaker));
  expect(passes.map((pass) => pass.crashed()).filter((first) => first)).toHaveLength(1);
  expect(breaker.state()).toBe('closed');
});

test('half open, one request is tried; its answer closes it, with a clean record', () => {
  const { breaker, clock, seen } = at();
  for (let i = 0; i < 3; i++) crash(breaker);
  clock.now += 30_000;
  const trial = enter(breaker);
  expect(breaker.enter().refusal?.retryAfterSeconds).toBe(1);
  trial.answered();
  expect(breaker.state()).toBe('closed');
  crash(breaker);
  crash(breaker);
  expect(breaker.state()).toBe('closed');
  expect(seen).toEqual(['open', 'half-open', 'closed']);
});

test('half open, one crash opens it again; a trial that is given up makes room for another', () => {
  const { breaker, clock } = at();
  for (let i = 0; i < 3; i++) crash(breaker);
  clock.now += 30_000;
  enter(breaker).gone();
  const second = enter(breaker);
  second.crashed();
  expect(breaker.state()).toBe('open');
  clock.now += 29_999;
  expect(breaker.state()).toBe('open');
  clock.now += 1;
  enter(breaker).answered();
  expect(breaker.state()).toBe('closed');
});

test('an answer that began before the crashes does not close it', () => {
  const { breaker, clock } = at();
  const early = enter(breaker);
  for (let i = 0; i < 3; i++) crash(breaker);
  clock.now += 30_000;
  enter(breaker);
  early.answered();
  expect(breaker.state()).toBe('half-open');
  early.crashed(); // an echo
  expect(breaker.state()).toBe('half-open');
});

test('a request that comes while it is open hears why, and when to come back', async () => {
  const { breaker } = at();
  for (let i = 0; i < 3; i++) crash(breaker);
  const app = new Hono().get('/', () => errorResponse(engineRests(breaker.enter().refusal!)));
  const answer = await app.request('/');
  expect(answer.status).toBe(503);
  expect(answer.headers.get('retry-after')).toBe('30');
  expect(await answer.json()).toMatchObject({
    error: { code: 'engine_crashed', message: expect.stringContaining('3 times') },
  });
});
