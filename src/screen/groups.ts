/** What comes of a set and its parts: each file, and each value of a field. */

import { meanInterval } from '../math/mean-interval.ts';
import { Tally } from './tally.ts';

/** Of the differences of one trait. */
export interface GroupFigures {
  n: number;
  mean: number;
  /** 95 % interval of the mean */
  low: number;
  high: number;
  sd: number;
  min: number;
  max: number;
  /** of the rows that are over the threshold; null without one */
  share: number | null;
}

export interface Group {
  name: string;
  /** samples, also those without figures */
  rows: number;
  /** by the names of the watches */
  traits: Record<string, GroupFigures>;
}

/** More values are no grouping: the rest are told together. */
const MOST_GROUPS = 1000;
const REST = '(all others)';
/** Quantiles of a group are not told, so none of its values are kept. */
const KEPT = 1;

interface Counting {
  rows: number;
  tallies: Tally[];
  over: number[];
  /** by watch: the variance of the base that the rows share, weighted by their number */
  shared: Map<string, number>;
}

export class Groups {
  readonly #traits: readonly string[];
  readonly #bounds: readonly (number | undefined)[];
  readonly #variance: (file: string, trait: number) => number;
  readonly #groups = new Map<string, Counting>();

  /**
   * @param bounds thresholds by watch
   * @param variance of the estimated base of a file, where its rows share one
   */
  constructor(
    traits: readonly string[],
    bounds: readonly (number | undefined)[],
    variance: (file: string, trait: number) => number = () => 0,
  ) {
    this.#traits = traits;
    this.#bounds = bounds;
    this.#variance = variance;
  }

  add(name: string, file: string, differences: readonly (number | null)[]): void {
    const group = this.#group(name);
    group.rows++;
    group.shared.set(file, (group.shared.get(file) ?? 0) + 1);
    for (const [w, value] of differences.entries()) {
      group.tallies[w]!.add(value);
      const bound = this.#bounds[w];
      if (value !== null && bound !== undefined && value > bound) group.over[w]!++;
    }
  }

  #group(name: string): Counting {
    const key = this.#groups.has(name) || this.#groups.size < MOST_GROUPS ? name : REST;
    let group = this.#groups.get(key);
    if (group === undefined) {
      const tallies = this.#traits.map(() => new Tally(KEPT));
      group = { rows: 0, tallies, over: this.#traits.map(() => 0), shared: new Map() };
      this.#groups.set(key, group);
    }
    return group;
  }

  /** By the mean difference of the first trait, the largest first. */
  ranking(): Group[] {
    const first = this.#traits[0]!;
    return [...this.#groups]
      .map(([name, counting]) => this.#figures(name, counting))
      .sort((a, b) => order(b.traits[first]!.mean, a.traits[first]!.mean));
  }

  #figures(name: string, { rows, tallies, over, shared }: Counting): Group {
    const traits = this.#traits.map((trait, w): [string, GroupFigures] => {
      const { n, mean, sd, min, max } = tallies[w]!;
      let variance = 0;
      for (const [file, count] of shared) variance += (count / rows) ** 2 * this.#variance(file, w);
      const share = this.#bounds[w] === undefined || n === 0 ? null : over[w]! / n;
      return [trait, { n, ...meanInterval(n, mean, sd, variance), sd, min, max, share }];
    });
    return { name, rows, traits: Object.fromEntries(traits) };
  }
}

function order(a: number, b: number): number {
  return (Number.isNaN(a) ? -Infinity : a) - (Number.isNaN(b) ? -Infinity : b) || 0;
}
