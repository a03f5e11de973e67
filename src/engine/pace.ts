/**
 * How many threads compute. ggml's threads wait for each other by spinning, at every node of the graph: when another
 * program takes the processor from one of them, all others burn their time, and a busy machine slows decoding down
 * fiftyfold. So the processor time that a graph got is compared with what its threads could have had; where it falls
 * short, fewer threads compute, and from time to time the full number is tried again.
 */

import { availableParallelism } from 'node:os';

/** Below this share of threads × time some thread was kept from running; spinning threads reach 0.95 and more. */
const CROWDED = 0.8;
/** Judged over at least so much computing, ms: long enough for some switches of the processor. */
const WINDOW_MS = 400;
/** Before the first trial, ms; doubled with each that fails, up to the most. */
const REST_MS = 4000;
const MOST_REST_MS = 64_000;
/** A trial that failed cost about as long as its window: it is to be a small part of the time. */
const REST_TIMES = 8;

export interface Clock {
  /** ms */
  now(): number;
  /** processor time of this process, all threads, ms */
  cpu(): number;
}

const processClock: Clock = {
  now: () => performance.now(),
  cpu() {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  },
};

export class Pace {
  readonly #full: number;
  readonly #setThreads: (threads: number) => void;
  readonly #clock: Clock;
  #threads: number;
  #wall = 0;
  #cpu = 0;
  #rest = REST_MS;
  #restUntil = 0;

  /** @param full threads that compute on a quiet machine */
  constructor(full: number, setThreads: (threads: number) => void, clock: Clock = processClock) {
    this.#full = full;
    this.#threads = full;
    this.#setThreads = setThreads;
    this.#clock = clock;
  }

  get threads(): number {
    return this.#threads;
  }

  /** Runs one graph, and learns from the time it took. */
  run(compute: () => void): void {
    if (this.#full === 1) return compute();
    if (this.#threads < this.#full && this.#clock.now() >= this.#restUntil) this.#use(this.#full);
    const began = this.#clock.now();
    const used = this.#clock.cpu();
    compute();
    this.#wall += this.#clock.now() - began;
    this.#cpu += this.#clock.cpu() - used;
    if (this.#wall < WINDOW_MS) return;
    const had = this.#cpu / this.#wall; // threads' worth of processor time
    if (this.#threads > 1 && had < CROWDED * this.#threads) {
      this.#restUntil = this.#clock.now() + Math.max(this.#rest, REST_TIMES * this.#wall);
      this.#rest = Math.min(2 * this.#rest, MOST_REST_MS);
      this.#use(Math.max(1, Math.min(this.#threads - 1, Math.floor(had))));
      return;
    }
    if (this.#threads === this.#full) this.#rest = REST_MS; // the machine is quiet
    this.#use(this.#threads);
  }

  /** Begins a new window with so many threads. */
  #use(threads: number): void {
    if (threads !== this.#threads) this.#setThreads(threads);
    this.#threads = threads;
    this.#wall = 0;
    this.#cpu = 0;
  }
}

/** Hyper-threads share one vector unit; half of the logical cores is the usual best above four. */
export function defaultThreads(): number {
  const logical = availableParallelism();
  return logical <= 4 ? logical : Math.ceil(logical / 2);
}
