/**
 * Continuous batching: requests join and leave between steps. A step feeds prompts, one graph each, up to the rows of
 * one batch (so a long prompt makes others wait for one batch at most); then one graph feeds the next token of every
 * answer that is being written. Those that began together go on together, in graphs that are full from the start.
 */

import { PersonaError } from '../errors.ts';
import { place } from './admission.ts';
import { isDone, predict, resultOf, tell } from './answer.ts';
import { GraphRun, type StepRow } from './graph-run.ts';
import type { GraphTap } from './graph-tap.ts';
import { addEdits, createJob, putsOut, remaining, tokenAt, wantsLogits, type Job } from './job.ts';
import { MAX_OUTPUT_ROWS, type NativeModel } from './native-model.ts';
import { countRows } from './reads.ts';
import type { Edit, EngineRequest, EngineResult } from './request.ts';
import { addCheckpoint, createSlots, MAX_BRIDGE, type Slot } from './slots.ts';

export interface JobCallbacks {
  onEvents: Job['onEvents'];
  onDone: (result: EngineResult) => void;
  onError: (error: unknown) => void;
}

export class Scheduler implements Disposable {
  readonly #model: NativeModel;
  readonly #graphs: GraphRun;
  readonly #slots: Slot[];
  #queue: Job[] = [];
  #active: Job[] = [];
  #callbacks: Map<Job, JobCallbacks> = new Map();
  #byId: Map<number, Job> = new Map();
  #clock = 0;
  #lastPrefilled = 0;

  constructor(model: NativeModel, tap: GraphTap) {
    this.#model = model;
    this.#graphs = new GraphRun(model, tap);
    this.#slots = createSlots(model.info.parallel);
  }

  get busy(): boolean {
    return this.#active.length + this.#queue.length > 0;
  }

  /** @throws PersonaError when the request does not fit the model */
  submit(id: number, request: EngineRequest, callbacks: JobCallbacks): void {
    const job = createJob(id, request, this.#model, callbacks.onEvents);
    this.#callbacks.set(job, callbacks);
    this.#byId.set(id, job);
    this.#queue.push(job);
  }

  /** Frees the request's slot at once. */
  abort(id: number): void {
    const job = this.#byId.get(id);
    if (job) this.#release(job);
  }

  /** More edits of a request that is under way, from its next token on; nothing where it is over. */
  addEdits(id: number, edits: readonly Edit[]): void {
    const job = this.#byId.get(id);
    if (job) addEdits(job, edits);
  }

  /** Nothing that was computed so far may be shared: the model computes otherwise from now on. */
  forgetPrefixes(): void {
    for (const slot of this.#slots) {
      slot.shareable = 0;
      slot.checkpoints = [];
    }
    for (const job of this.#active) job.checkpointsAt = [];
  }

  /** Advances every request by one step. */
  step(): void {
    this.#clock++;
    this.#admit();
    this.#prefill();
    for (const run of this.#decodeRuns()) this.#execute(run, this.#model.info.layers);
  }

  // 1) Requests come into slots

  #admit(): void {
    const waiting: Job[] = [];
    for (const [i, job] of this.#queue.entries()) {
      const placed =
        this.#slots.some((slot) => !slot.busy) &&
        place(job, this.#slots, this.#active, this.#queue[i + 1], this.#model);
      (placed ? this.#active : waiting).push(job);
    }
    this.#queue = waiting;
  }

  // 2) Rows of the next graphs

  /** The next token of every request that has just one to feed, in graphs of consecutive sequences. */
  #decodeRuns(): StepRow[][] {
    const jobs = this.#active.filter((job) => remaining(job) === 1 && job.depth === this.#model.info.layers);
    this.#closeGaps(jobs);
    jobs.sort((a, b) => a.slot!.id - b.slot!.id);
    const runs: StepRow[][] = [];
    for (const job of jobs) {
      const run = runs.at(-1);
      const { id } = job.slot!;
      const between = run && this.#slots.slice(run.at(-1)!.slot.id + 1, id);
      if (run && between!.length <= MAX_BRIDGE && between!.every((slot) => this.#canBridge(slot))) {
        run.push(...between!.map(bridge), this.#row(job, job.fed));
      } else {
        runs.push([this.#row(job, job.fed)]);
      }
    }
    return runs;
  }

  /** Requests that end leave gaps, which cost a graph each: the last of those who write move into the first of them. */
  #closeGaps(jobs: readonly Job[]): void {
    if (!this.#model.divisible) return;
    const writing = new Set(jobs.map((job) => job.slot!));
    for (let low = this.#slots.findIndex((slot) => writing.has(slot)); ;) {
      const gap = this.#slots.findIndex((slot, i) => i > low && !slot.busy);
      const last = this.#slots.findLastIndex((slot) => writing.has(slot));
      if (gap < 0 || gap > last) return;
      const [idle, moved] = [this.#slots[gap]!, this.#slots[last]!];
      if (![idle, moved].every((slot) => this.#model.sequences.movable(slot.tokens.length))) return;
      this.#model.sequences.swap(gap, last);
      idle.id = last;
      moved.id = gap;
      this.#slots[gap] = moved;
      this.#slots[last] = idle;
    }
  }

  #canBridge(slot: Slot): boolean {
    return this.#model.divisible && slot.tokens.length < this.#model.info.contextPerRequest;
  }

  /** Feeds prompts (and given answers): the rows of one batch at most, so that whoever writes goes on soon. */
  #prefill(): void {
    let room = this.#model.batchSize;
    for (let first = true; ; first = false) {
      const jobs = this.#toPrefill();
      // a long prompt goes first every other step; the rest of the step is for those who fit in
      const job = first ? this.#inTurn(jobs) : jobs.find((other) => this.#pieceOf(other) <= room);
      if (!job) return;
      if (first) this.#lastPrefilled = remaining(job) > this.#model.batchSize ? job.id : 0;
      const rows = Array.from({ length: this.#pieceOf(job) }, (_, i) => this.#row(job, job.fed + i));
      this.#execute(rows, job.depth);
      room -= rows.length;
      this.#admit(); // those who waited for just this beginning
    }
  }

  #toPrefill(): Job[] {
    const { layers } = this.#model.info;
    return this.#active.filter((job) => remaining(job) > 1 || (remaining(job) === 1 && job.depth < layers));
  }

  #inTurn(jobs: readonly Job[]): Job | undefined {
    return jobs.find((job) => job.id > this.#lastPrefilled) ?? jobs[0];
  }

  /** Rows that a job feeds in its next graph: up to where its sums are to be kept, and no more than put out at once. */
  #pieceOf(job: Job): number {
    let count = Math.min(remaining(job), this.#model.batchSize);
    for (const length of job.checkpointsAt) if (length > job.fed) count = Math.min(count, length - job.fed);
    let outputs = 0;
    for (let i = 0; i < count; i++)
      if (putsOut(job, job.fed + i, this.#model.info.layers) && ++outputs > MAX_OUTPUT_ROWS) return i;
    return count;
  }

  #row(job: Job, position: number): StepRow {
    return {
      token: tokenAt(job, position),
      position,
      sequence: job.slot!.id,
      output: putsOut(job, position, this.#model.info.layers),
      job,
      slot: job.slot!,
    };
  }

  // 3) One graph, and what it gave

  #execute(rows: StepRow[], depth: number): void {
    try {
      this.#graphs.run(rows, depth);
      this.#advance(rows);
    } catch (error) {
      for (const { job, slot } of rows) {
        if (!job) this.#unbridge(slot);
        else if (this.#byId.get(job.id) === job) this.#fail(job, error);
      }
    }
  }

  #advance(rows: readonly StepRow[]): void {
    const jobs = new Set<Job>();
    for (const { job, slot, token } of rows) {
      if (!job) {
        this.#unbridge(slot);
        continue;
      }
      jobs.add(job);
      slot.tokens.push(token);
      if (job.reads.means) countRows(job.reads.means, job.fed, 1, job.prompt.length);
      job.fed++;
    }
    for (const job of jobs) {
      if (!job.checkpointsAt.includes(job.fed)) continue;
      const { key, promptSum } = job.reads.means!;
      addCheckpoint(job.slot!, { length: job.fed, meansKey: key, sum: promptSum.slice() });
    }
    for (const [i, { job, position }] of rows.entries()) {
      if (!job || !wantsLogits(job, position)) continue;
      try {
        predict(job, position, i, this.#model);
      } catch (error) {
        jobs.delete(job);
        this.#fail(job, error); // the others of the graph are sound
      }
    }
    for (const job of jobs) {
      tell(job);
      if (isDone(job)) this.#finish(job);
    }
  }

  #finish(job: Job): void {
    const result = resultOf(job, this.#model);
    const callbacks = this.#callbacks.get(job);
    this.#release(job);
    callbacks?.onDone(result);
  }

  /** What the sequence holds is not known, or not sound: nobody may share it. */
  #fail(job: Job, error: unknown): void {
    const slot = job.slot!;
    this.#model.sequences.truncate(slot.id, 0);
    slot.tokens = [];
    slot.checkpoints = [];
    const callbacks = this.#callbacks.get(job);
    this.#release(job);
    callbacks?.onError(error);
  }

  #unbridge(slot: Slot): void {
    this.#model.sequences.truncate(slot.id, slot.tokens.length);
  }

  #release(job: Job): void {
    job.sampler?.[Symbol.dispose]();
    job.sampler = undefined;
    if (job.slot) {
      job.slot.busy = false;
      job.slot.lastUsed = this.#clock;
    }
    this.#active = this.#active.filter((active) => active !== job);
    this.#queue = this.#queue.filter((queued) => queued !== job);
    this.#callbacks.delete(job);
    this.#byId.delete(job.id);
  }

  [Symbol.dispose](): void {
    for (const [job, callbacks] of this.#callbacks) {
      this.#release(job);
      callbacks.onError(new PersonaError('ABORTED', 'the engine was closed'));
    }
  }
}

/** A throw-away token in a sequence between two others; what it leaves is cut off after the step. */
function bridge(slot: Slot): StepRow {
  return {
    token: slot.tokens.at(-1) ?? 0,
    position: slot.tokens.length,
    sequence: slot.id,
    output: false,
    job: undefined,
    slot,
  };
}
