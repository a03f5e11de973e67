/** The whole way on the planted model, where the direction that has to come out is known. */

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { project } from '../../src/math/vector.ts';
import { readMeans } from '../../src/rollout/ask.ts';
import type { GivenRollout } from '../../src/rollout/given.ts';
import { extractGiven } from '../../src/vector/extract-given.ts';
import { extract, usualRunFolder } from '../../src/vector/extract.ts';
import { readVector } from '../../src/vector/file.ts';
import { direction, type PersonaVector } from '../../src/vector/vector.ts';
import { expectClose } from '../engine/tiny-engine.ts';
import { folder } from '../support/folder.ts';
import { usePlanted } from '../support/planted-chat.ts';
import { ASKED, DRAWN, GREEDY, QUESTIONS, rows } from '../support/planted-run.ts';
import { plantedTrait } from '../support/planted-trait.ts';
import { TINY } from '../tiny/tiny-model.ts';

const chat = usePlanted();
const trait = plantedTrait();

function cosines(vector: PersonaVector): number[] {
  return Array.from({ length: TINY.layers }, (_, b) => {
    const v = direction(vector, b);
    return project(v, chat.planted.direction) / Math.hypot(...v);
  });
}

describe('from a trait', () => {
  test('the vector is the planted direction at every layer, with all that makes it worth trusting', async () => {
    const run = join(folder(), 'run');
    const output = join(run, '..', 'named', 'planted.gguf');
    const { vector, path, counts, doses, layerDoses, why, filtered, calibration } = await extract(
      chat.model,
      trait,
      {
        ...GREEDY,
        run,
        output,
      },
    );

    for (const [layer, cosine] of cosines(vector).entries())
      expect(cosine, `layer ${layer}`).toBeGreaterThan(0.99);
    expect(counts).toEqual({ asked: ASKED, kept: { pos: ASKED / 2, neg: ASKED / 2 }, dropped: [] });
    expect(filtered).toHaveLength(ASKED);
    expect(vector.quality.separation).toEqual([1, 1, 1, 1]);
    expect(vector.quality.norms![2]).toBeCloseTo(Math.hypot(...direction(vector, 2)), 4);
    expect(calibration!.trait.auc).toBe(1);

    // the baseline, by hand: the projections of what the model says without an instruction
    const usual = rows(run).filter(({ side }) => side === 'none');
    expect(usual).toHaveLength(QUESTIONS);
    const projections = await Promise.all(
      usual.map(async ({ prompt, answer }) => {
        const { means } = await readMeans(chat.model, { prompt, answer });
        return project(means.response_avg!.subarray(2 * TINY.width, 3 * TINY.width), direction(vector, 2));
      }),
    );
    const mean = projections.reduce((sum, x) => sum + x, 0) / projections.length;
    expect(vector.baseline!.mean[2]).toBeCloseTo(mean, 3);
    expect(vector.baseline!.answers).toBe(QUESTIONS);
    expect(vector.residualNorms).toHaveLength(TINY.layers);

    expect([1, 2]).toContain(vector.layer);
    expect(why).toBe(vector.quality.why);
    expect(layerDoses.map(({ layer, coefficient }) => [layer, coefficient])).toEqual([
      [1, -0.2],
      [1, 0.2],
      [2, -0.2],
      [2, 0.2],
    ]);
    expect(doses.map(({ layer, coefficient }) => [layer, coefficient])).toEqual(
      [-0.2, 0, 0.1, 0.2].map((coefficient) => [vector.layer, coefficient]),
    );
    expect(doses[0]!.trait.mean).toBeLessThan(10); // what wrote P writes N
    expect(doses[1]!.trait.mean).toBeGreaterThan(90);
    expect(vector.coefficient).toBe(0.2);

    expect(path).toBe(join(run, 'vector.gguf'));
    expect(await readVector(path)).toEqual(vector);
    expect(await readVector(output)).toEqual(vector);
    for (const kind of ['prompt_avg', 'prompt_last'] as const) {
      const other = await readVector(join(run, `vector.${kind}.gguf`));
      expect(other.kind).toBe(kind);
      expect([other.layer, other.coefficient, other.baseline]).toEqual([undefined, undefined, undefined]);
      for (const cosine of cosines(other)) expect(cosine, kind).toBeGreaterThan(0.99);
    }
    const config: unknown = JSON.parse(readFileSync(join(run, 'config.json'), 'utf8'));
    expect(config).toMatchObject({ trait: 'planted', questions: QUESTIONS, temperature: 0, seed: 0 });
    expect(new Set(rows(run).map(({ id }) => id)).size).toBe(ASKED + QUESTIONS);
    expect(new Set(rows(run, 'measurements.jsonl').map(({ id }) => id)).size).toBe(ASKED + QUESTIONS);
    // 2 questions unsteered and at four layer doses; at the chosen layer a third one there, and three at ±0.1
    expect(rows(run, 'sweep.jsonl')).toHaveLength(2 * 5 + 3 + 3);
  });

  test('the other kinds are the differences of prompt means, by hand', async () => {
    const run = folder();
    await extract(chat.model, trait, { ...GREEDY, run });
    const sums = new Float64Array(TINY.layers * TINY.width);
    for (const { side, prompt, answer } of rows(run)) {
      if (side === 'none') continue;
      const { means } = await readMeans(chat.model, { prompt, answer });
      for (const [i, x] of means.prompt_last!.entries()) sums[i]! += (side === 'pos' ? x : -x) / (ASKED / 2);
    }
    expectClose((await readVector(join(run, 'vector.prompt_last.gguf'))).directions, sums, 1e-4);
  });

  test('drawn answers: empty ones fall with their pairs, steering moves the trait both ways', async () => {
    const { vector, counts, doses, layerDoses } = await extract(chat.model, trait, {
      ...DRAWN,
      run: folder(),
    });
    for (const cosine of cosines(vector)) expect(cosine).toBeGreaterThan(0.99);
    expect(vector.quality.separation).toEqual([1, 1, 1, 1]);
    expect(counts.asked).toBe(2 * ASKED);
    expect(counts.kept.pos).toBe(counts.kept.neg);
    expect(counts.kept.pos).toBeGreaterThan(ASKED / 2);
    const dropped = counts.dropped.reduce((sum, { count }) => sum + count, 0);
    expect(counts.kept.pos + counts.kept.neg + dropped).toBe(2 * ASKED);
    const traits = doses.map(({ trait: { mean } }) => mean);
    expect(traits[0]).toBeLessThan(traits[1]!);
    expect(traits.at(-1)).toBeGreaterThan(traits[1]!);
    for (const layer of [1, 2]) {
      const [low, high] = layerDoses.filter((dose) => dose.layer === layer);
      expect(low!.trait.mean).toBeLessThan(high!.trait.mean);
    }
  });

  test.each([
    [[2, 4, 9], /no layer 4, 9 in a model of 4 layers/],
    [[], /no layer to steer at/],
  ])('layers %s are refused before anything is asked', async (layers, message) => {
    const run = join(folder(), 'run');
    await expect(
      extract(chat.model, trait, { ...GREEDY, run, tune: { ...GREEDY.tune, layers } }),
    ).rejects.toMatchObject({ code: 'USAGE', message: expect.stringMatching(message) });
    expect(existsSync(run)).toBe(false);
  });

  test('where nothing passes the filter, the error says what fell, why, and what to change', async () => {
    const run = folder();
    await expect(
      extract(chat.model, trait, { ...DRAWN, run, filter: { coherence: 100.1 } }),
    ).rejects.toMatchObject({
      code: 'EMPTY_SIDE',
      message: expect.stringMatching(
        /none of 80 rollouts passed the filter \(threshold 50, coherence 100\.1\): .*\d+ incoherent/,
      ),
      remedy: expect.stringContaining('--min-coherence'),
    });
    expect(existsSync(join(run, 'vector.gguf'))).toBe(false);
  });

  test('where runs go has no characters that a file system dislikes', () => {
    const identity = { ...chat.model.identity, name: 'hf:owner/a model:Q4_K_M' };
    expect(usualRunFolder(trait, { ...chat.model, identity })).toBe(
      join('runs', 'planted-hf-owner-a-model-Q4_K_M'),
    );
  });
});

describe('from answers that are given', () => {
  const prompt = '<|im_start|>user\ngo on.<|im_end|>\n<|im_start|>assistant\n';
  const words = ['PPP', 'PaPbP', 'PP the P', 'bPPP', 'P PP', 'PPPP'];
  const given: GivenRollout[] = words.flatMap((answer) => [
    { side: 'pos', prompt, answer },
    { side: 'neg', prompt: `${prompt}x`, answer: answer.replaceAll('P', 'N') },
  ]);
  given.push({ side: 'neg', prompt, answer: '' });
  const source = { path: 'answers.jsonl', sha256: 'd'.repeat(64) };

  test('directions are those of the same texts by hand, each text counting once', async () => {
    const run = folder();
    const output = join(run, 'out', 'given.gguf');
    const { vector, path, kept, dropped } = await extractGiven(chat.model, 'given', given, {
      run,
      output,
      source,
    });
    expect([kept, dropped]).toEqual([{ pos: 6, neg: 6 }, 1]);

    const size = TINY.layers * TINY.width;
    const [sums, norms] = [new Float64Array(size), new Float64Array(TINY.layers)];
    for (const { side, prompt: before, answer } of given.filter((text) => text.answer !== '')) {
      // the stream at every answer token: prompt_last of the text up to it
      const tokens = Array.from(answer, (_, i) =>
        chat.model.engine.run({
          prompt: before + answer.slice(0, i + 1),
          means: { layers: 'all', kinds: ['prompt_last'] },
        }),
      );
      for (const { means } of await Promise.all(tokens)) {
        const state = means!.prompt_last!;
        for (const [i, x] of state.entries()) sums[i]! += ((side === 'pos' ? 1 : -1) * x) / 6 / answer.length;
        for (let b = 0; b < TINY.layers; b++)
          norms[b]! +=
            Math.hypot(...state.subarray(b * TINY.width, (b + 1) * TINY.width)) / 12 / answer.length;
      }
    }
    expectClose(vector.directions, sums, 1e-4, 'directions');
    expectClose(vector.residualNorms, norms, 1e-4, 'residual norms');
    expect(vector.quality.separation).toEqual([1, 1, 1, 1]);
    expect(vector.layer).toBe(2);
    expect(await readVector(path)).toEqual(vector);
    expect(await readVector(output)).toEqual(vector);
    expect(existsSync(join(run, 'vector.prompt_avg.gguf'))).toBe(true);
  });

  test('separation can be told in whatever order the sides come, and of many', async () => {
    const many = Array.from({ length: 300 }, (_, i) => given[(2 * i) % 12]!);
    const blocks = [...many, ...many.map((_, i) => given[(2 * i + 1) % 12]!)];
    const { vector } = await extractGiven(chat.model, 'given', blocks, { run: folder(), source });
    expect(vector.quality.separation).toEqual([1, 1, 1, 1]);
  });

  test('a side without an answer is refused, and leaves no folder', async () => {
    const run = join(folder(), 'run');
    for (const side of ['pos', 'neg'] as const) {
      const rest = given.filter((rollout) => rollout.side === side || rollout.answer === '');
      await expect(extractGiven(chat.model, 'given', rest, { run, source })).rejects.toMatchObject({
        code: 'EMPTY_SIDE',
      });
    }
    expect(existsSync(run)).toBe(false);
  });

  test('the folder of other answers is refused', async () => {
    const run = folder();
    await extractGiven(chat.model, 'given', given, { run, source });
    const other = { path: 'answers.jsonl', sha256: 'e'.repeat(64) };
    await expect(extractGiven(chat.model, 'given', given, { run, source: other })).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringContaining('rollouts.sha256'),
    });
  });
});
