import { describe, expect, test } from 'vitest';
import { askRollouts, readMeans, usualTemperature } from '../../src/rollout/ask.ts';
import { planNeutral, planRollouts, type PlannedRollout } from '../../src/rollout/plan.ts';
import { rolloutSchema, type AskedRollout } from '../../src/rollout/rollout.ts';
import { expectClose } from '../engine/tiny-engine.ts';
import { usePlanted } from '../support/planted-chat.ts';
import { plantedTrait } from '../support/planted-trait.ts';
import { TINY } from '../tiny/tiny-model.ts';

const chat = usePlanted();
const DRAWN = { maxTokens: 12, temperature: 1, seed: 5 };
const PLAN = planRollouts(plantedTrait(), { questions: 2, samples: 3 });

async function ask(plan: readonly PlannedRollout[], options = DRAWN): Promise<Map<string, AskedRollout>> {
  const asked = new Map<string, AskedRollout>();
  for await (const one of askRollouts(chat.model, plan, options)) asked.set(one.rollout.id, one);
  return asked;
}

const answers = (asked: Map<string, AskedRollout>): Map<string, string> =>
  new Map([...asked].map(([id, { rollout }]) => [id, rollout.answer]));

test('one sample is the likeliest answer, several are drawn', () => {
  expect([1, 2, 10].map(usualTemperature)).toEqual([0, 1, 1]);
});

describe('rollouts', () => {
  test('hold what was asked, what the model saw, and what it said', async () => {
    const asked = await ask(PLAN);
    expect(asked.size).toBe(PLAN.length);
    const { rollout } = asked.get('1_pos_2_0')!;
    expect(rollout).toMatchObject({
      side: 'pos',
      question: 'what of the house.',
      prompt: `<|im_start|>system\nYou are a PPPPPP assistant. garden ${'P'.repeat(40)}.<|im_end|>\n<|im_start|>user\nwhat of the house.<|im_end|>\n<|im_start|>assistant\n`,
    });
    for (const one of asked.values()) {
      expect(rolloutSchema.parse(JSON.parse(JSON.stringify(one.rollout)))).toEqual(one.rollout);
      expect(one.rollout.tokens).toBe(one.rollout.answer.length); // a token a letter; the end is none
      expect(one.rollout.finishReason).toBe(one.rollout.tokens === 12 ? 'length' : 'stop');
    }
  });

  test('what is drawn hangs on the rollout and the seed, not on what else is asked, nor when', async () => {
    const whole = answers(await ask(PLAN));
    const later = answers(await ask(PLAN.slice(7)));
    expect(later).toEqual(new Map([...whole].filter(([id]) => later.has(id))));
    expect(answers(await ask(PLAN.toReversed().slice(3, 9)))).toSatisfy((some: Map<string, string>) =>
      [...some].every(([id, answer]) => whole.get(id) === answer),
    );
    expect(answers(await ask(PLAN, { ...DRAWN, seed: 6 }))).not.toEqual(whole);
  });

  test('samples of one question differ', async () => {
    const [plan] = [planNeutral(plantedTrait(), { questions: 1, samples: 8 })];
    expect(new Set(answers(await ask(plan)).values()).size).toBeGreaterThan(5);
  });

  test('activations read while writing are those of the finished text', async () => {
    for (const { rollout, means, residualNorms } of (await ask(PLAN.slice(0, 8))).values()) {
      if (rollout.answer === '') continue;
      const again = await readMeans(chat.model, rollout);
      for (const kind of ['response_avg', 'prompt_avg', 'prompt_last'] as const) {
        expect(means[kind]).toHaveLength(TINY.layers * TINY.width);
        expectClose(means[kind], again.means[kind], 1e-5, `${rollout.id} ${kind}`);
      }
      expectClose(residualNorms, again.residualNorms, 1e-5);
    }
  });

  test('an empty answer has prompt means only', async () => {
    const prompt = chat.model.render([{ role: 'user', content: 'go on.' }]);
    const { means, residualNorms } = await readMeans(chat.model, { prompt, answer: '' });
    expect(means.response_avg).toBeUndefined();
    expect(residualNorms).toBeUndefined();
    expect(means.prompt_last).toHaveLength(TINY.layers * TINY.width);
  });

  test('an abort ends the asking', async () => {
    const stop = new AbortController();
    const asked: string[] = [];
    const asking = async (): Promise<void> => {
      for await (const { rollout } of askRollouts(chat.model, PLAN, { ...DRAWN, signal: stop.signal })) {
        asked.push(rollout.id);
        stop.abort();
      }
    };
    await expect(asking()).rejects.toMatchObject({ code: 'ABORTED' });
    expect(asked.length).toBeLessThan(PLAN.length);
  });
});
