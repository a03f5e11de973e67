/** Diffs of tiny models whose shift is known: nothing, a push along v, a rank-1 edit of one matrix, an adapter. */

import { copyFileSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import type { GgufArray } from '../../../src/model/gguf.ts';
import { readGguf, readTensor } from '../../../src/model/gguf-read.ts';
import { readIdentity } from '../../../src/model/model-identity.ts';
import { diff, type DiffOptions, type DiffResult } from '../../../src/screen/diff/diff.ts';
import type { DiffPrompt } from '../../../src/screen/diff/prompts.ts';
import { parseSpec } from '../../../src/steer/spec.ts';
import { dot, norm } from '../../../src/math/vector.ts';
import { direction, type PersonaVector } from '../../../src/vector/vector.ts';
import { temporaryFolder } from '../../engine/tiny-engine.ts';
import { aVector } from '../../support/a-vector.ts';
import { plantedTrait } from '../../support/planted-trait.ts';
import { tunedCopy } from '../../support/tuned-copy.ts';
import { type PlantedModel, writePlantedModel } from '../../tiny/planted-model.ts';
import { writeTinyLora } from '../../tiny/tiny-lora.ts';
import { TINY, writeTinyModel } from '../../tiny/tiny-model.ts';

const home = temporaryFolder();
const at = (name: string): string => join(home.path, name);
let planted: PlantedModel;
let vector: PersonaVector;
let runs = 0;

const TEXTS = ['PPab', 'cdPef', 'the house', 'NaN', 'P', 'some Ps and Ns', 'quiet morning', 'PNPNP'];
const PROMPTS = TEXTS.map((text, i): DiffPrompt => ({ id: `t${i}`, question: text, ask: text }));

function options(changes: Partial<DiffOptions> = {}): DiffOptions {
  return {
    run: at(`run-${runs++}`),
    vectors: [{ vector: 'v' }],
    find: async () => vector,
    prompts: PROMPTS,
    engine: { home: home.path, threads: 1, parallel: 2, context: 256, cacheType: 'f32' },
    ...changes,
  };
}

const all = (tuned: string | string[], changes: Partial<DiffOptions> = {}): Promise<DiffResult[]> =>
  Array.fromAsync(diff(at('base.gguf'), [tuned].flat().map(at), options(changes)));

beforeAll(async () => {
  planted = await writePlantedModel({ path: at('base.gguf') });
  const directions = Float32Array.from(
    { length: TINY.layers * TINY.width },
    (_, i) => planted.direction[i % TINY.width]! * (1 + Math.floor(i / TINY.width)),
  );
  const model = await readIdentity(at('base.gguf'), { home: home.path });
  vector = aVector({ trait: 'planted', model, directions, recipe: { created: '', trait: plantedTrait() } });
});

test('a model against itself has shifted by exactly nothing, which is said', async () => {
  copyFileSync(at('base.gguf'), at('copy.gguf'));
  const notes: string[] = [];
  const engine = { ...options().engine, onNote: (note: string) => notes.push(note) };
  const [same, copy] = await all(['base.gguf', 'copy.gguf'], { engine });
  for (const result of [same!, copy!]) {
    expect(result.same).toBe(true);
    expect(result.shifts.prompts).toBe(TEXTS.length);
    for (const figures of result.shifts.vectors[0]!.layers)
      expect(figures).toMatchObject({ shift: { mean: 0, low: 0, high: 0 }, p: 1, cosine: null });
    for (const layer of result.shifts.layers) expect(layer).toMatchObject({ norm: 0, relative: 0 });
  }
  expect(notes).toContain(`${at('copy.gguf')} is ${at('base.gguf')} itself: nothing can have shifted`);
});

test('a model of other bytes and the same weights reads the same, but for rounding', async () => {
  await tunedCopy(at('base.gguf'), at('renamed.gguf'), {
    metadata: (header) => header.set('general.name', { type: 'string', value: 'another name' }),
  });
  const [result] = await all('renamed.gguf');
  expect(result!.same).toBe(false);
  for (const { layer, norm: length } of result!.shifts.layers)
    expect(length, `layer ${layer}`).toBeLessThan(1e-4);
});

test.each([1, -2.5])('the tuned side pushed by %d·v in the whole text: that push is found', async (c) => {
  const [result] = await all('base.gguf', { steer: [parseSpec(`v=${c}@1/all`)], vectors: [{ vector: 'v', layer: 1 }] }); // prettier-ignore
  const expected = c * norm(direction(vector, 1));
  const { own, layers } = result!.shifts.vectors[0]!;
  expect(Math.abs(own.shift.mean / expected - 1)).toBeLessThan(0.02);
  expect(own.shift.high - own.shift.low).toBeLessThan(0.01 * Math.abs(expected)); // the same for every prompt
  expect(own.cosine! * Math.sign(c)).toBeGreaterThan(0.999);
  expect(own.p).toBe(2 / 256);
  expect(layers[0]!.shift.mean).toBe(0); // before the push
  const whole = result!.shifts.layers[1]!;
  expect(whole.spanned).toBeGreaterThan(0.999);
  expect(result!.steering).toMatchObject([{ op: 'add', layer: 1, scope: 'all', coefficient: c }]);
});

/** What column 0 of block 0's attention output is fed: the mean over the tokens of the normalised stream along v. */
async function carried(text: string): Promise<number> {
  const embeddings = await readTensor(await readGguf(at('base.gguf')), 'token_embd.weight');
  const { width } = TINY;
  const parts = [...Buffer.from(text)].map((token) => {
    const x = embeddings.subarray(token * width, (token + 1) * width);
    return dot(x, planted.direction) / (norm(x) / Math.sqrt(width));
  });
  return parts.reduce((sum, part) => sum + part, 0) / parts.length;
}

/** W_o' = W_o + gain · v e₀ᵀ in block 0. */
async function rankOne(name: string, gain: number): Promise<void> {
  await tunedCopy(at('base.gguf'), at(name), {
    weights: (tensor, data) => {
      if (tensor !== 'blk.0.attn_output.weight') return;
      for (let i = 0; i < TINY.width; i++)
        data[i * TINY.heads * TINY.headWidth]! += gain * planted.direction[i]!;
    },
  });
}

test('a rank-1 edit of one matrix shifts each prompt by what is computed by hand', async () => {
  await rankOne('tuned.gguf', 3);
  const [result] = await all('tuned.gguf', { vectors: [{ vector: 'v', layer: 0 }] });
  const expected = await Promise.all(TEXTS.map(async (text) => 3 * (await carried(text))));
  const mean = expected.reduce((sum, x) => sum + x, 0) / expected.length;
  const { own } = result!.shifts.vectors[0]!;
  expect(mean).toBeGreaterThan(0.5);
  expect(Math.abs(own.shift.mean / mean - 1)).toBeLessThan(0.02);
  expect(own.cosine).toBeGreaterThan(0.99);
  for (const [i, text] of TEXTS.slice(0, 2).entries()) {
    const [one] = await all('tuned.gguf', { vectors: [{ vector: 'v', layer: 0 }], prompts: [PROMPTS[i]!] });
    const found = one!.shifts.vectors[0]!.own.shift.mean;
    expect(Math.abs(found - expected[i]!), text).toBeLessThan(0.02 * Math.abs(expected[i]!) + 0.01);
  }
}, 60_000);

test('checkpoints come in the order of their numbers, each against the base; a further one reads only itself', async () => {
  for (const [step, gain] of [[10, 4], [9, 2], [2, 1]]) await rankOne(`checkpoint-${step}.gguf`, gain!); // prettier-ignore
  const run = at('trajectory');
  const first = await all(['checkpoint-10.gguf', 'checkpoint-2.gguf'], { run });
  expect(first.map(({ name }) => name)).toEqual(['checkpoint-2', 'checkpoint-10']);
  const files = readdirSync(run).filter((name) => name.startsWith('reads-'));
  expect(files).toHaveLength(3);
  const before = files.map((name) => readFileSync(join(run, name), 'utf8'));

  const results = await all(['checkpoint-10.gguf', 'checkpoint-9.gguf', 'checkpoint-2.gguf'], { run });
  expect(results.map(({ step }) => step)).toEqual([2, 9, 10]);
  const shifts = results.map(({ shifts: { vectors } }) => vectors[0]!.own.shift.mean);
  expect(shifts[1]! / shifts[0]!).toBeGreaterThan(1.5);
  expect(shifts[2]! / shifts[1]!).toBeGreaterThan(1.5);
  expect(results[0]).toEqual(first[0]);
  expect(files.map((name) => readFileSync(join(run, name), 'utf8'))).toEqual(before);
  const log = readFileSync(join(run, 'diff.jsonl'), 'utf8').trimEnd().split('\n');
  expect(log.map((line) => JSON.parse(line).name)).toEqual(['checkpoint-2', 'checkpoint-9', 'checkpoint-10']);

  await expect(all('tuned.gguf', { run, prompts: PROMPTS.slice(1) })).rejects.toThrow(/configured otherwise: prompts/); // prettier-ignore
}, 60_000);

test('an adapter shifts as the model that it was worked into; a scale is taken from behind the path', async () => {
  await writeTinyModel({ path: at('tiny.gguf'), architecture: 'llama' });
  await writeTinyLora({ adapter: at('a.gguf'), merged: at('m.gguf'), architecture: 'llama', rank: 2, alpha: 4, scale: 0.5 }); // prettier-ignore
  const own = aVector({ model: await readIdentity(at('tiny.gguf'), { home: home.path }) });
  const run = async (tuned: string) =>
    (await Array.fromAsync(diff(at('tiny.gguf'), [at(tuned)], options({ find: async () => own }))))[0]!;
  const [adapter, merged, whole] = [await run('a.gguf:0.5'), await run('m.gguf'), await run('a.gguf')];
  expect([adapter.adapter, merged.adapter]).toEqual([true, false]);
  for (const [b, { shift }] of merged.shifts.vectors[0]!.layers.entries()) {
    const { mean } = adapter.shifts.vectors[0]!.layers[b]!.shift;
    expect(Math.abs(mean - shift.mean), `layer ${b}`).toBeLessThan(0.01);
  }
  expect(merged.shifts.layers[3]!.norm).toBeGreaterThan(0.1);
  expect(Math.abs(whole.shifts.layers[3]!.norm / merged.shifts.layers[3]!.norm - 1)).toBeGreaterThan(0.1);
});

test('answers and their scores: both models answer the trait’s questions, the base judges', async () => {
  const [result] = await all('tuned.gguf', {
    prompts: undefined as never,
    questions: 4,
    answers: { maxTokens: 12 },
    judge: { choice: 'likelihood', pairs: 1 },
    steer: [parseSpec('v=-1.5@2')],
  });
  expect(result!.shifts.prompts).toBe(4);
  expect(result!.answers!.vectors[0]!.own.shift.mean).toBeLessThan(-3); // answers full of N
  const { trait, coherence } = result!.scores!.planted!;
  expect(trait.change.mean).toBeLessThan(-50);
  expect(trait.change.mean).toBeCloseTo(trait.tuned.mean - trait.base.mean, 6);
  expect(coherence.base.n).toBe(4);
  expect(result!.judge).toBe('likelihood');
}, 60_000);

test('what was not tuned from the base is refused with what differs, before anything is read', async () => {
  const change = (name: string, key: string, value: number) =>
    tunedCopy(at('base.gguf'), at(name), { metadata: (header) => header.set(key, { type: 'u32', value }) });
  await change('wide.gguf', 'llama.embedding_length', 128);
  await change('deep.gguf', 'llama.block_count', 5);
  await tunedCopy(at('base.gguf'), at('words.gguf'), {
    metadata(header) {
      const tokens = header.get('tokenizer.ggml.tokens') as GgufArray & { of: 'string' };
      [tokens.items[70], tokens.items[71]] = [tokens.items[71]!, tokens.items[70]!];
    },
  });
  await writeTinyModel({ path: at('qwen.gguf'), architecture: 'gemma3' });
  await writeTinyLora({
    adapter: at('q.gguf'),
    merged: at('qm.gguf'),
    architecture: 'qwen2',
    rank: 1,
    alpha: 1,
  });
  const run = at('refused');
  await expect(all('wide.gguf', { run })).rejects.toThrow('width 64 there, 128 here');
  await expect(all('deep.gguf', { run })).rejects.toThrow('layers 4 there, 5 here');
  await expect(all('words.gguf', { run })).rejects.toThrow('the tokenizers have as many tokens, but not the same ones'); // prettier-ignore
  await expect(all('qwen.gguf', { run })).rejects.toThrow(/architecture llama there, gemma3 here; tokens \d+ there, \d+ here/); // prettier-ignore
  await expect(all('q.gguf', { run })).rejects.toThrow('architecture llama there, qwen2 here');
  await expect(Array.fromAsync(diff(at('q.gguf'), [at('base.gguf')], options({ run })))).rejects.toThrow('is a LoRA adapter, not a model'); // prettier-ignore

  const stranger = aVector({ trait: 'stranger' });
  await expect(all('copy.gguf', { run, find: async () => stranger })).rejects.toMatchObject({ code: 'WRONG_MODEL' }); // prettier-ignore
  const zero = { ...vector, directions: new Float32Array(vector.directions.length) };
  await expect(all('copy.gguf', { run, find: async () => zero })).rejects.toThrow('v has no direction at layer 2'); // prettier-ignore
  await expect(all(['copy.gguf', 'copy.gguf'], { run })).rejects.toThrow('is given twice');
  expect(readdirSync(home.path)).not.toContain('refused');
});

test('a vector of the tuned model is taken, and said to be one', async () => {
  await rankOne('tuned.gguf', 3);
  const notes: string[] = [];
  const model = await readIdentity(at('tuned.gguf'), { home: home.path });
  const own = { ...vector, model };
  const engine = { ...options().engine, onNote: (note: string) => notes.push(note) };
  const [result] = await all('tuned.gguf', { engine, find: async () => own });
  expect(result!.shifts.vectors[0]!.own.shift.mean).toBeGreaterThan(0.5);
  expect(notes).toContain('v was made on tuned, the tuned model, not on its base');
});
