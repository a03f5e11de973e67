/** The number of threads follows what the machine gives. */
import { expect, test } from 'vitest';
import { Pace, type Clock } from '../../src/engine/pace.ts';

/** A machine on which a graph takes `wall` ms, with `share` of each thread's time given to it. */
function machine(full: number): { pace: Pace; runs: (count: number, share: number) => void; set: number[] } {
  let now = 0;
  let cpu = 0;
  const clock: Clock = { now: () => now, cpu: () => cpu };
  const set: number[] = [];
  const pace = new Pace(full, (threads) => set.push(threads), clock);
  const runs = (count: number, share: number): void => {
    for (let i = 0; i < count; i++) {
      pace.run(() => {
        now += 50;
        cpu += 50 * (pace.threads === 1 ? 1 : share * pace.threads);
      });
    }
  };
  return { pace, runs, set };
}

test('on a quiet machine all threads compute, always', () => {
  const { pace, runs, set } = machine(4);
  runs(1000, 0.97);
  expect(pace.threads).toBe(4);
  expect(set).toEqual([]);
});

test('on a crowded machine as many as it has room for', () => {
  const { pace, runs } = machine(4);
  runs(8, 0.6); // 400 ms in which 4 threads got the time of 2.4
  expect(pace.threads).toBe(2);
  runs(8, 0.6); // two get 1.2
  expect(pace.threads).toBe(1);
});

test('all are tried again after a rest, ever more rarely while it stays crowded, and kept when it is quiet', () => {
  const { pace, runs, set } = machine(2);
  runs(8, 0.5);
  expect(set).toEqual([1]);
  runs(79, 0.5); // 3.95 s
  expect(set).toEqual([1]);
  runs(9, 0.5); // the trial: 400 ms at 2 threads, and back
  expect(set).toEqual([1, 2, 1]);
  runs(158, 0.5); // now it rests for 8 s
  expect(set).toEqual([1, 2, 1]);
  runs(3, 1);
  expect(set).toEqual([1, 2, 1, 2]);
  runs(500, 0.98);
  expect(set).toEqual([1, 2, 1, 2]);
  expect(pace.threads).toBe(2);
});

test('a single thread is never judged', () => {
  const { pace, runs, set } = machine(1);
  runs(100, 0.1);
  expect(pace.threads).toBe(1);
  expect(set).toEqual([]);
});
