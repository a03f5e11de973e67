/**
 * The label-permutation null: how long a "difference of the two sides" comes out when the sides are dealt at random.
 * A real trait's vector is longer than nearly all of those; the angles between two such random vectors are also the
 * right measure of how alike two vectors may be by chance (paper §13.2: far more than 1/√d).
 */

import { random, type Random } from '../../math/random.ts';
import { deviation } from '../../math/statistics.ts';
import type { Side } from '../../rollout/rollout.ts';
import { differenceWeights, inner, products, type Gram } from './gram.ts';

export interface PermutationNull {
  /** share of dealt labellings, the true one included, whose difference is at least as long: (1 + k) / (1 + repeats) */
  p: number;
  /** standard deviation of the cosine between two dealt directions */
  cosineSd: number;
}

/**
 * @param blocks samples of one block may exchange their labels: the two of a pair, or those of a question. The count of
 * each side within a block stays.
 */
export function permutationNull(
  gram: Gram,
  sides: readonly Side[],
  blocks: readonly number[],
  options: { repeats: number; seed?: number },
): PermutationNull {
  const members = [...Map.groupBy(blocks.keys(), (i) => blocks[i]!).values()];
  const source = random(options.seed ?? 0);
  const truth = differenceWeights(sides)!;
  const length = inner(products(gram, truth), truth);
  const tolerance = 1e-9 * Math.abs(length); // the labelling itself, dealt again, is as long but for rounding
  let longer = 0;
  const cosines: number[] = [];
  let before: { products: Float64Array; length: number } | undefined;
  for (let k = 0; k < options.repeats; k++) {
    const w = differenceWeights(deal(sides, members, source))!;
    const own = products(gram, w);
    const square = inner(own, w);
    if (square >= length - tolerance) longer++;
    if (before) cosines.push(inner(before.products, w) / Math.sqrt(before.length * square));
    before = before ? undefined : { products: own, length: square }; // each direction in one angle only
  }
  return { p: (1 + longer) / (1 + options.repeats), cosineSd: deviation(cosines) };
}

function deal(sides: readonly Side[], blocks: readonly number[][], source: Random): Side[] {
  const out = [...sides];
  for (const block of blocks) {
    const dealt = source.shuffle(block.map((i) => sides[i]!));
    block.forEach((i, k) => (out[i] = dealt[k]!));
  }
  return out;
}
