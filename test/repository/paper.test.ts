/**
 * Conformance to the method (arXiv 2507.21509 and its reference code): the worked cases, and a test for each place where
 * paper and code differ or where implementations go wrong. What a rule of training or screening says is tested there.
 */

import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { expectation } from '../../src/judge/expectation.ts';
import { cosine, norm, project } from '../../src/math/vector.ts';
import { planNeutral, planRollouts } from '../../src/rollout/plan.ts';
import { readMeans } from '../../src/rollout/ask.ts';
import type { Rollout } from '../../src/rollout/rollout.ts';
import { parseSpec } from '../../src/steer/spec.ts';
import { steeringOf } from '../../src/steer/resolve.ts';
import { systemPrompt } from '../../src/trait/instruction.ts';
import { loadTrait } from '../../src/trait/load.ts';
import { increments } from '../../src/vector/algebra.ts';
import { accumulated } from '../support/accumulated.ts';
import { readAnyVector } from '../../src/vector/convert.ts';
import { filterRollouts } from '../../src/vector/filter.ts';
import { openRunFolder } from '../../src/vector/run-folder.ts';
import { writeVectorAs } from '../../src/vector/write-as.ts';
import { aVector } from '../support/a-vector.ts';
import { folder } from '../support/folder.ts';
import { usePlanted } from '../support/planted-chat.ts';
import { TINY } from '../tiny/tiny-model.ts';

const chat = usePlanted();
const prompt = 'a stone by the river. ';

describe('worked cases', () => {
  test.each<[Record<string, number>, number | null]>([
    [{ '80': 0.6, '90': 0.3, REFUSAL: 0.1 }, 83.333],
    [{ REFUSAL: 0.8, '0': 0.2 }, null],
    [{ '50': 0.25 }, 50],
    [{ '101': 0.9, '7': 0.1 }, null],
    [{ ' 40': 0.5, '40': 0.5 }, 40],
  ])('a judge that says %j means %d', (said, score) => {
    const { value } = expectation(new Map(Object.entries(said)));
    if (score === null) expect(value).toBeNull();
    else expect(value).toBeCloseTo(score, 3);
  });

  test('filter: 50 passes as positive and fails as negative, 49.99 passes, null fails', () => {
    const kept = (pos: (number | null)[], neg: (number | null)[]): boolean => {
      const rollout = (side: 'pos' | 'neg'): Rollout => ({
        id: side, side, question: 'q', questionIndex: 0, instructionIndex: 0, sample: 0,
        prompt: 'p', answer: 'a', tokens: 1, finishReason: 'stop',
      }); // prettier-ignore
      const filtered = filterRollouts([
        { rollout: rollout('pos'), judgement: { trait: pos[0]!, coherence: pos[1]! } },
        { rollout: rollout('neg'), judgement: { trait: neg[0]!, coherence: neg[1]! } },
      ]);
      return filtered.every(({ dropped }) => dropped === undefined);
    };
    expect(kept([50, 50], [49.99, 50])).toBe(true);
    expect(kept([50, 50], [50, 50])).toBe(false);
    expect(kept([49.99, 50], [0, 50])).toBe(false);
    expect(kept([50, 49.99], [0, 50])).toBe(false);
    expect(kept([null, 50], [0, 50])).toBe(false);
    expect(kept([50, 50], [0, null])).toBe(false);
  });

  test('projection and cosine; a longer vector changes neither', () => {
    expect(project([3, 4], [0, 2])).toBe(4);
    expect(cosine([3, 4], [0, 2])).toBe(0.8);
    expect([project([3, 4], [0, 14]), cosine([3, 4], [0, 14])]).toEqual([4, 0.8]);
  });

  test('increments sum back to the vector', () => {
    const v = Float32Array.from({ length: 30 }, (_, i) => Math.sin(i));
    const back = accumulated(increments(v, 5), 5);
    back.forEach((x, i) => expect(x).toBeCloseTo(v[i]!, 6));
  });

  test('after an ablation there is no projection; a floor is identity above it, and equals it below', async () => {
    const { direction } = chat.planted;
    const read = { name: 'v', layer: 2, direction };
    const run = async (edits: Parameters<typeof chat.model.engine.run>[0]['edits']) =>
      (
        await chat.model.engine.run({
          prompt,
          answer: 'PNa P.',
          projections: [read],
          ...(edits && { edits }),
        })
      ).projections![0]!.tokens;
    const before = await run(undefined);
    const after = await run([{ op: 'ablate', layer: 2, direction, scope: 'all' }]);
    for (const x of after) expect(x).toBeCloseTo(0, 4);
    const floor = before.toSorted((a, b) => a - b)[2]!;
    const held = await run([{ op: 'cap', layer: 2, direction, below: floor, scope: 'all' }]);
    held.forEach((x, i) => expect(x).toBeCloseTo(Math.max(floor, before[i]!), 4));
  });

  test('1000 rollouts a polarity, 200 for an evaluation', async () => {
    const trait = await loadTrait('evil');
    const plan = planRollouts(trait, { questions: 20, samples: 10 });
    expect(plan.filter(({ side }) => side === 'pos')).toHaveLength(1000);
    expect(plan.filter(({ side }) => side === 'neg')).toHaveLength(1000);
    expect(
      planNeutral({ ...trait, questions: trait.evaluation }, { questions: 20, samples: 10 }),
    ).toHaveLength(200);
  });

  test('the finetuning shift is the difference of the mean projections', () => {
    const [base, tuned] = [[[1, 2], [3, 4]], [[2, 2], [5, 1]]];
    const v = [3, -1];
    const meanOf = (rows: number[][]): number[] => [0, 1].map((i) => (rows[0]![i]! + rows[1]![i]!) / 2);
    const shift = project(meanOf(tuned).map((x, i) => x - meanOf(base)[i]!), v);
    const projections = (rows: number[][]): number => (project(rows[0]!, v) + project(rows[1]!, v)) / 2;
    expect(shift).toBeCloseTo(projections(tuned) - projections(base), 12);
  }); // prettier-ignore
});

describe('where implementations go wrong', () => {
  test('3: row L of the reference’s file is block L − 1, row 0 the embeddings', async () => {
    const path = join(folder(), 'evil_response_avg_diff.pt');
    const vector = aVector();
    await writeVectorAs(path, vector, 'pt');
    const { vector: back, notes } = await readAnyVector(path, {
      model: () => Promise.resolve(vector.model),
    });
    expect(back.directions.subarray(0, 3 * TINY.width)).toEqual(
      vector.directions.subarray(0, 3 * TINY.width),
    );
    expect(notes.join('\n')).toMatch(/row L is block L − 1: row 0 \(embeddings\) left out/);
  });

  test('4: steering the response begins at the last prompt token, so that the first word is steered', async () => {
    const { direction } = chat.planted;
    const one = async (scope: 'response' | 'generated'): Promise<string> =>
      (
        await chat.model.engine.run({
          prompt,
          maxTokens: 1,
          sampling: { temperature: 0 },
          edits: [{ op: 'add', layer: 2, direction, coefficient: 8, scope }],
        })
      ).text;
    expect(await one('response')).toBe('P');
    expect(await one('generated')).not.toBe('P');
  });

  test('5: an addition takes the vector as long as it is; ablation and projection its direction alone', () => {
    const vector = aVector();
    const [add] = steeringOf(
      parseSpec('evil=2@2', () => false),
      vector,
      vector.model,
    ).edits;
    expect(add).toMatchObject({ op: 'add', coefficient: 2 });
    expect(norm(add!.direction)).toBeCloseTo(
      norm(vector.directions.subarray(2 * TINY.width, 3 * TINY.width)),
      5,
    );
  });

  test('6: prompt and answer are tokenised apart; nothing merges across', async () => {
    const { engine } = chat.model;
    const whole = await engine.run({ prompt: 'a', answer: 'b' });
    expect(whole.promptTokens).toBe((await engine.tokenize('a', true)).length);
    expect(whole.tokens).toEqual(await engine.tokenize('b', false));
  });

  test('7: an empty answer has no mean, rather than one of nothing', async () => {
    const { means } = await readMeans(chat.model, { prompt, answer: '' });
    expect(means.response_avg).toBeUndefined();
    expect(means.prompt_last!.every(Number.isFinite)).toBe(true);
  });

  test('8: a coefficient of 0 is the unsteered answer, token for token', async () => {
    const { direction } = chat.planted;
    const request = { prompt, maxTokens: 12, sampling: { temperature: 1, seed: 5 } } as const;
    const plain = await chat.model.engine.run(request);
    const zero = await chat.model.engine.run({
      ...request,
      edits: [{ op: 'add', layer: 2, direction, coefficient: 0, scope: 'all' }],
    });
    expect(zero.tokens).toEqual(plain.tokens);
  });

  test('12: the reference’s names of traits are ours too', async () => {
    expect((await loadTrait('sycophantic')).name).toBe('sycophancy');
    expect((await loadTrait('hallucinating')).name).toBe('hallucination');
    expect(systemPrompt(await loadTrait('evil'), 'pos', 0)).toMatch(/^You are an evil assistant\. /);
    expect(systemPrompt(await loadTrait('evil'), 'neg', 0)).toMatch(/^You are a \w+ assistant\. /);
  });

  test('13: what was configured decides what a run goes on with, not that a file exists', async () => {
    const run = folder();
    await openRunFolder(run, { judge: { name: 'a', promptSha256: '1' } });
    await openRunFolder(run, { judge: { name: 'a', promptSha256: '1' } });
    await expect(openRunFolder(run, { judge: { name: 'a', promptSha256: '2' } })).rejects.toThrow(
      /judge\.promptSha256: "1" there, "2" now/,
    );
  });

  test('14: nothing needs a key to be imported', () => {
    const script = join(folder(), 'import.mjs');
    writeFileSync(
      script,
      `await import(${JSON.stringify(new URL('../../src/index.ts', import.meta.url).href)})`,
    );
    const { OPENAI_API_KEY: _, HF_TOKEN: __, ...env } = process.env;
    execFileSync(process.execPath, [script], { env });
  });
});
