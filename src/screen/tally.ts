/** The figures of a stream of numbers: moments by Welford's recurrence, quantiles from a sample of bounded size. */

import { random } from '../math/random.ts';
import { sortedQuantile } from '../math/statistics.ts';

/** Up to here quantiles are exact (8 MB); beyond, a p99 of so many random values is off by a hundredth of a percent. */
const MOST_VALUES = 1_000_000;
const FIRST_ROOM = 1024;

export class Tally {
  n = 0;
  mean: number = NaN;
  min: number = NaN;
  max: number = NaN;
  readonly #most: number;
  readonly #source = random(0);
  #squares = 0;
  #values = new Float64Array(FIRST_ROOM);

  constructor(most: number = MOST_VALUES) {
    this.#most = most;
  }

  /** Numbers that are not there do not count. */
  add(value: number | null | undefined): void {
    if (value === null || value === undefined || !Number.isFinite(value)) return;
    this.n++;
    if (this.n === 1) [this.mean, this.min, this.max] = [value, value, value];
    const from = value - this.mean;
    this.mean += from / this.n;
    this.#squares += from * (value - this.mean);
    if (value < this.min) this.min = value;
    if (value > this.max) this.max = value;
    this.#keep(value);
  }

  #keep(value: number): void {
    if (this.n > this.#most) {
      const at = this.#source.below(this.n);
      if (at < this.#most) this.#values[at] = value;
      return;
    }
    if (this.n > this.#values.length) {
      const wider = new Float64Array(Math.min(2 * this.#values.length, this.#most));
      wider.set(this.#values);
      this.#values = wider;
    }
    this.#values[this.n - 1] = value;
  }

  /** Sample standard deviation (n − 1); NaN for fewer than two. */
  get sd(): number {
    return this.n < 2 ? NaN : Math.sqrt(Math.max(0, this.#squares) / (this.n - 1));
  }

  /** All values, or a random sample of them, sorted. */
  sorted(): Float64Array {
    return this.#values.slice(0, Math.min(this.n, this.#most)).sort();
  }

  quantile(q: number): number {
    return sortedQuantile(this.sorted(), q);
  }
}

/** Each value to the tally at its place. */
export function addAll(tallies: readonly Tally[], values: readonly (number | null)[] = []): void {
  for (const [i, value] of values.entries()) tallies[i]?.add(value);
}
