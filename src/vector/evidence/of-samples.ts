/** The figures that need nothing but the samples a vector is made of: its halves, and the null of dealt labels. */

import type { Quality } from '../vector.ts';
import type { SideMean } from '../separation.ts';
import { gramOf } from './gram.ts';
import { permutationNull } from './permutation.ts';
import { splitHalf } from './split-half.ts';

/** Samples a side that are used; the work grows with their square. */
const MAX_SAMPLES = 100;
/** Enough that p = 0.05 is told from 0.03 (standard error 0.007). */
const REPEATS = 1000;

export function figuresOfSamples(
  all: readonly SideMean[],
  layers: number,
  seed: number,
): Pick<Quality, 'splitHalf' | 'permutation'> {
  const samples = (['pos', 'neg'] as const).flatMap((side) =>
    all.filter((sample) => sample.side === side).slice(0, MAX_SAMPLES),
  );
  const sides = samples.map(({ side }) => side);
  const questions = samples.map(({ questionIndex }) => questionIndex);
  const blocks = samples.map(({ block }) => block);
  const byLayer = Array.from({ length: layers }, (_, b) => {
    const width = samples[0]!.mean.length / layers;
    const gram = gramOf(samples.map(({ mean }) => mean.subarray(b * width, (b + 1) * width)));
    return {
      half: splitHalf(gram, sides, questions, seed),
      dealt: permutationNull(gram, sides, blocks, { repeats: REPEATS, seed }),
    };
  });
  return {
    splitHalf: byLayer.map(({ half }) => half),
    permutation: {
      repeats: REPEATS,
      samples: samples.length,
      p: byLayer.map(({ dealt }) => dealt.p),
      cosineSd: byLayer.map(({ dealt }) => dealt.cosineSd),
    },
  };
}
