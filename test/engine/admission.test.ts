/** Who gets which slot: recorded against a model that only counts what is copied and cut. */
import { expect, test } from 'vitest';
import { place } from '../../src/engine/admission.ts';
import type { Job } from '../../src/engine/job.ts';
import type { NativeModel } from '../../src/engine/native-model.ts';
import { createReads } from '../../src/engine/reads.ts';
import type { EngineRequest } from '../../src/engine/request.ts';
import { createSlots, type Slot } from '../../src/engine/slots.ts';

const DEPTH = 4;

function job(prompt: number[], request: Partial<EngineRequest> = {}): Job {
  const whole: EngineRequest = { prompt, ...request };
  return {
    request: whole,
    prompt,
    answer: [],
    edits: [],
    reads: createReads(whole, DEPTH, 2),
    depth: DEPTH,
    prefixKey: '',
    checkpointsAt: [],
    slot: undefined,
    fed: 0,
    cached: 0,
  } as unknown as Job;
}

function recorder(): { model: NativeModel; done: string[] } {
  const done: string[] = [];
  const model = {
    divisible: true,
    sequences: {
      truncate: (sequence: number, from: number) => done.push(`cut ${sequence} at ${from}`) > 0,
      copy: (from: number, to: number) => done.push(`copy ${from} to ${to}`),
    },
  };
  return { model: model as unknown as NativeModel, done };
}

const range = (from: number, count: number): number[] => Array.from({ length: count }, (_, i) => from + i);
const held = (slots: Slot[], id: number, tokens: number[], fields: Partial<Slot> = {}): void => {
  Object.assign(slots[id]!, { tokens, shareable: Infinity, depth: DEPTH, ...fields });
};

test('the slot that holds the conversation goes on with it', () => {
  const slots = createSlots(3);
  held(slots, 1, range(0, 50), { lastUsed: 9 });
  const next = job([...range(0, 50), 7, 7]);
  const { model, done } = recorder();
  expect(place(next, slots, [], undefined, model)).toBe(true);
  expect(next.slot?.id).toBe(1);
  expect(next.fed).toBe(50);
  expect(done).toEqual(['cut 1 at 50']);
});

test('a beginning that is a small part of an idle conversation is copied, not cut out of it', () => {
  const slots = createSlots(2);
  held(slots, 0, range(0, 100), { lastUsed: 9 });
  const other = job([...range(0, 20), 777, 778]);
  const { model, done } = recorder();
  place(other, slots, [], undefined, model);
  expect(other.slot?.id).toBe(1);
  expect(other.cached).toBe(20);
  expect(done).toEqual(['copy 0 to 1', 'cut 1 at 20']);
  expect(slots[0]!.tokens).toHaveLength(100);
});

test('a busy slot gives its beginning as a copy', () => {
  const slots = createSlots(2);
  held(slots, 0, range(0, 30), { busy: true });
  const second = job([...range(0, 30), 1]);
  const { model, done } = recorder();
  place(second, slots, [], undefined, model);
  expect(second.slot?.id).toBe(1);
  expect(done).toEqual(['copy 0 to 1', 'cut 1 at 30']);
});

test('a few common tokens are computed again, in the slot that was idle longest', () => {
  const slots = createSlots(3);
  held(slots, 0, [1, 2, 3, 50, 51], { lastUsed: 5 });
  held(slots, 1, [8, 8, 8], { lastUsed: 3 });
  held(slots, 2, [9, 9, 9], { lastUsed: 4 });
  const next = job([1, 2, 3, 60, 61, 62]);
  const { model } = recorder();
  place(next, slots, [], undefined, model);
  expect([next.slot?.id, next.fed]).toEqual([1, 0]);
});

test('a slot beside the busy ones is chosen, so that all are in one graph without gaps', () => {
  const slots = createSlots(12);
  held(slots, 6, [1, 2, 3], { busy: true });
  slots.forEach((slot) => (slot.lastUsed = slot.id));
  slots[0]!.lastUsed = 0; // idle longest, but far
  const next = job([5, 6, 7]);
  const { model, done } = recorder();
  place(next, slots, [], undefined, model);
  expect(next.slot?.id).toBe(5); // of both neighbours the one idle longer
  // a conversation that was left far away moves near
  held(slots, 11, range(0, 50));
  const back = job([...range(0, 50), 7]);
  done.length = 0;
  place(back, slots, [], undefined, model);
  expect(done).toEqual(['copy 11 to 4', 'cut 4 at 50']);
});

test('it waits for a beginning that another is just computing, and not for more', () => {
  const slots = createSlots(2);
  const first = job([...range(0, 40), 1]);
  const { model } = recorder();
  place(first, slots, [], undefined, model);
  const second = job([...range(0, 40), 2]);
  expect(place(second, slots, [first], undefined, model)).toBe(false);
  first.fed = 40;
  first.slot!.tokens = range(0, 40);
  expect(place(second, slots, [first], undefined, model)).toBe(true);
  expect(second.cached).toBe(40);
});

test('who does not share waits for nobody and takes nothing', () => {
  const slots = createSlots(2);
  held(slots, 0, range(0, 40));
  const alone = job([...range(0, 40), 2], { sharePrefix: false });
  const { model } = recorder();
  expect(place(alone, slots, [], undefined, model)).toBe(true);
  expect(alone.cached).toBe(0);
});

test('who wants the projections of the prompt computes it', () => {
  const slots = createSlots(2);
  held(slots, 0, range(0, 40), { lastUsed: 1 });
  const direction = new Float32Array([1, 0]);
  const read = (prompt: boolean): Job =>
    job([...range(0, 40), 2], { projections: [{ name: 'p', layer: 1, direction, prompt }] });
  const { model } = recorder();
  const watched = read(true);
  place(watched, slots, [], undefined, model);
  expect(watched.cached).toBe(0);
  slots.forEach((slot) => (slot.busy = false));
  const last = read(false);
  place(last, slots, [], undefined, model);
  expect(last.cached).toBe(40);
});

test('prompt sums are kept where the next request parts from this one, and taken over there', () => {
  const slots = createSlots(2);
  const means = { layers: 'all', kinds: ['prompt_avg'] } as const;
  const first = job([...range(0, 30), 1, 1, 1], { means });
  const second = job([...range(0, 30), 2, 2], { means });
  const { model } = recorder();
  place(first, slots, [], second, model);
  expect(first.checkpointsAt.toSorted((a, b) => a - b)).toEqual([30, 32]);
  // as the scheduler does when 30 tokens are fed
  const sum = new Float64Array(DEPTH * 2).fill(3);
  first.fed = 30;
  first.slot!.tokens = range(0, 30);
  first.slot!.checkpoints = [{ length: 30, meansKey: first.reads.means!.key, sum }];
  expect(place(second, slots, [first], undefined, model)).toBe(true);
  expect(second.cached).toBe(30);
  expect(second.reads.means!.promptSum).toEqual(sum);
  expect(second.reads.means!.promptCount).toBe(30);
});

test('where a sequence cannot be cut, everything is computed', () => {
  const slots = createSlots(1);
  held(slots, 0, range(0, 40));
  const next = job([...range(0, 40), 1]);
  const { model } = recorder();
  (model.sequences as { truncate: unknown }).truncate = (_: number, from: number) => from === 0;
  place(next, slots, [], undefined, model);
  expect([next.fed, next.cached]).toEqual([0, 0]);
});
