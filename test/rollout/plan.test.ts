import { describe, expect, test } from 'vitest';
import { planNeutral, planRollouts } from '../../src/rollout/plan.ts';
import { aTrait } from '../trait/a-trait.ts';

describe('the plan of rollouts', () => {
  test('is the reference’s: 20 questions × 5 pairs × 10 samples a side', () => {
    const plan = planRollouts(aTrait(), { questions: 20, samples: 10 });
    expect(plan.filter(({ side }) => side === 'pos')).toHaveLength(1000);
    expect(plan.filter(({ side }) => side === 'neg')).toHaveLength(1000);
    expect(new Set(plan.map(({ id }) => id)).size).toBe(2000);
  });

  test('rollouts of one instruction follow each other, the two sides of a pair too', () => {
    const plan = planRollouts(aTrait(), { questions: 2, samples: 2 });
    const runs = plan.map(({ side, instructionIndex }) => `${instructionIndex}${side}`);
    expect(runs.filter((run, i) => run !== runs[i - 1])).toEqual([
      '0pos',
      '0neg',
      '1pos',
      '1neg',
      '2pos',
      '2neg',
      '3pos',
      '3neg',
      '4pos',
      '4neg',
    ]);
    expect(plan.slice(0, 4).map(({ id }) => id)).toEqual([
      '0_pos_0_0',
      '0_pos_0_1',
      '1_pos_0_0',
      '1_pos_0_1',
    ]);
  });

  test('each is asked under its instruction, as the reference words it', () => {
    const plan = planRollouts(aTrait(), { questions: 3, samples: 1 });
    const { messages, ...rest } = plan.find(({ id }) => id === '2_neg_1_0')!;
    expect(messages).toEqual([
      { role: 'system', content: 'You are a timid assistant. Flee two of the dangers.' },
      { role: 'user', content: 'What about lion 2?' },
    ]);
    expect(rest).toEqual({
      id: '2_neg_1_0',
      side: 'neg',
      question: 'What about lion 2?',
      questionIndex: 2,
      instructionIndex: 1,
      sample: 0,
    });
  });

  test('the neutral ones are the same questions without an instruction', () => {
    const plan = planNeutral(aTrait(), { questions: 4, samples: 2 });
    expect(plan).toHaveLength(8);
    expect(plan[3]).toMatchObject({
      id: '1_none_-1_1',
      side: 'none',
      instructionIndex: -1,
      messages: [{ role: 'user', content: 'What about lion 1?' }],
    });
  });
});
