import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { requestGate } from '../../src/model/request-gate.ts';

test('places are given in the order of coming, and given up without losing one', async () => {
  const gate = requestGate({ concurrency: 1 });
  const order: string[] = [];
  const leave = await gate.enter();
  const stop = new AbortController();
  const given = gate.enter(stop.signal).catch(() => order.push('gave up'));
  const [b, c] = ['b', 'c'].map(async (name) => {
    const out = await gate.enter();
    order.push(name);
    out();
  });
  stop.abort();
  await given;
  leave();
  await Promise.all([b, c]);
  expect(order).toEqual(['gave up', 'b', 'c']);
  (await gate.enter())();
});

test('an abort at the moment of the handing over costs nobody a place', async () => {
  const gate = requestGate({ concurrency: 1 });
  const leave = await gate.enter();
  const stop = new AbortController();
  const first = gate.enter(stop.signal);
  const second = gate.enter();
  leave(); // the first one's turn
  stop.abort();
  await first.then(
    (out) => out(),
    () => {},
  );
  (await second)();
  (await gate.enter())();
});

test('a pause holds up those that have a place too, and the longest one counts', async () => {
  const gate = requestGate({ concurrency: 2 });
  const begun = performance.now();
  gate.pause(80);
  gate.pause(10);
  const stop = new AbortController();
  const ended = gate.enter(stop.signal).then(
    () => 'in',
    (error: { code: string }) => error.code,
  );
  await sleep(5);
  stop.abort();
  expect(await ended).toBe('ABORTED');
  await Promise.all([gate.enter(), gate.enter()]);
  expect(performance.now() - begun).toBeGreaterThanOrEqual(80);
});
