import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Judgement } from '../../src/judge/judge.ts';
import type { Elicitation, Rollout } from '../../src/rollout/rollout.ts';
import { countFiltered, filterRollouts, type JudgedRollout } from '../../src/vector/filter.ts';

function judged(
  side: Elicitation,
  trait: number | null,
  coherence: number | null,
  place: Partial<Pick<Rollout, 'questionIndex' | 'instructionIndex' | 'sample'>> = {},
): JudgedRollout {
  const at = { questionIndex: 0, instructionIndex: 0, sample: 0, ...place };
  return {
    rollout: {
      id: `${at.questionIndex}_${side}_${at.instructionIndex}_${at.sample}`,
      side,
      question: 'q',
      ...at,
      prompt: 'p',
      answer: 'a',
      tokens: 1,
      finishReason: 'stop',
    },
    judgement: { trait, coherence },
  };
}

const reasons = (items: readonly JudgedRollout[], options = {}): (string | undefined)[] =>
  filterRollouts(items, options).map(({ dropped }) => dropped);

describe('each side by itself', () => {
  test.each([
    ['pos', 50, 50, undefined],
    ['pos', 49.99, 50, 'trait too weak'],
    ['neg', 50, 50, 'trait too strong'],
    ['neg', 49.99, 50, undefined],
    ['pos', 100, 49.99, 'incoherent'],
    ['neg', 0, 49.99, 'incoherent'],
    ['pos', null, 100, 'no score'],
    ['pos', 100, null, 'no score'],
    ['neg', null, null, 'no score'],
  ] as const)('%s with trait %s and coherence %s: %s', (side, trait, coherence, dropped) => {
    expect(reasons([judged(side, trait, coherence)], { paired: false })).toEqual([dropped]);
  });

  test('thresholds that the user sets', () => {
    const options = { paired: false, threshold: 80, coherence: 30 };
    expect(reasons([judged('pos', 80, 30), judged('pos', 79.9, 30)], options)).toEqual([
      undefined,
      'trait too weak',
    ]);
    expect(reasons([judged('neg', 20, 30), judged('neg', 19.9, 29)], options)).toEqual([
      'trait too strong',
      'incoherent',
    ]);
  });

  test('a fault of the one does not touch the other', () => {
    expect(reasons([judged('pos', 10, 90), judged('neg', 10, 90)], { paired: false })).toEqual([
      'trait too weak',
      undefined,
    ]);
  });
});

describe('pair by pair, as the reference does it', () => {
  test('a fault of one side drops its partner, and only that', () => {
    const items = [
      judged('pos', 10, 90),
      judged('neg', 10, 90),
      judged('pos', 90, 90, { sample: 1 }),
      judged('neg', 10, 90, { sample: 1 }),
      judged('pos', 90, 90, { instructionIndex: 1 }),
      judged('neg', 10, 20, { instructionIndex: 1 }),
    ];
    expect(reasons(items)).toEqual([
      'trait too weak',
      'its pair fell',
      undefined,
      undefined,
      'its pair fell',
      'incoherent',
    ]);
  });

  test('an answer without a partner falls', () => {
    expect(reasons([judged('pos', 90, 90)])).toEqual(['its pair fell']);
  });

  test('both keep their own reason', () => {
    expect(reasons([judged('pos', 10, 90), judged('neg', null, 90)])).toEqual(['trait too weak', 'no score']);
  });
});

test('rollouts without an instruction are no part of it', () => {
  expect(filterRollouts([judged('none', 90, 90), judged('pos', 90, 90), judged('neg', 1, 90)])).toHaveLength(
    2,
  );
});

test('counts say what was kept and why the rest fell, in a fixed order', () => {
  const filtered = filterRollouts([
    judged('neg', 90, 90),
    judged('pos', 90, 90),
    judged('pos', null, 90, { sample: 1 }),
    judged('neg', 10, 10, { sample: 1 }),
    judged('pos', 90, 90, { sample: 2 }),
    judged('neg', 10, 90, { sample: 2 }),
  ]);
  expect(countFiltered(filtered)).toEqual({
    asked: 6,
    kept: { pos: 1, neg: 1 },
    dropped: [
      { reason: 'no score', count: 1 },
      { reason: 'trait too strong', count: 1 },
      { reason: 'incoherent', count: 1 },
      { reason: 'its pair fell', count: 1 },
    ],
  });
});

test('pairs are kept whole, every rollout is counted once, and unpaired keeps no less', () => {
  const score = fc.option(fc.double({ min: 0, max: 100, noNaN: true }), { nil: null });
  const judgement: fc.Arbitrary<Judgement> = fc.record({ trait: score, coherence: score });
  fc.assert(
    fc.property(fc.array(fc.tuple(judgement, judgement), { maxLength: 12 }), (pairs) => {
      const items = pairs.flatMap(([pos, neg], sample) => [
        judged('pos', pos.trait, pos.coherence, { sample }),
        judged('neg', neg.trait, neg.coherence, { sample }),
      ]);
      const { asked, kept, dropped } = countFiltered(filterRollouts(items));
      expect(kept.pos).toBe(kept.neg);
      expect(kept.pos + kept.neg + dropped.reduce((sum, { count }) => sum + count, 0)).toBe(asked);
      const alone = countFiltered(filterRollouts(items, { paired: false }));
      expect(alone.kept.pos).toBeGreaterThanOrEqual(kept.pos);
      expect(alone.kept.neg).toBeGreaterThanOrEqual(kept.neg);
    }),
  );
});
