/** The three methods on the planted model, whose direction is known: what is full of P against what is full of N. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { auc } from '../../src/math/auc.ts';
import { mean } from '../../src/math/statistics.ts';
import { type Watch } from '../../src/monitor/watch.ts';
import { METHODS, type Method } from '../../src/screen/measure.ts';
import { screen, type ScreenedRow, type ScreenOptions } from '../../src/screen/screen.ts';
import { direction } from '../../src/vector/vector.ts';
import { aVector } from '../support/a-vector.ts';
import { folder } from '../support/folder.ts';
import { usePlanted } from '../support/planted-chat.ts';
import { TINY } from '../tiny/tiny-model.ts';

const chat = usePlanted();
let watches: Watch[];

const PLACES = ['river', 'house', 'bread', 'stone'];
const ROWS = PLACES.flatMap((place) => [
  { prompt: `what of the ${place}.`, completion: `${place} PPPPPPPP`, side: 'P' },
  { prompt: `what of the ${place}.`, completion: `${place} NNNNNNNN`, side: 'N' },
]);

beforeAll(() => {
  const directions = Float32Array.from(
    { length: TINY.layers * TINY.width },
    (_, i) => chat.planted.direction[i % TINY.width]! * 3, // a length of 3 changes no projection
  );
  const vector = aVector({ trait: 'pish', model: chat.model.identity, directions });
  watches = [1, 2].map((layer) => ({ name: `pish@${layer}`, source: 'pish', vector, layer }));
});

function data(rows: readonly object[] = ROWS, name = 'rows.jsonl'): string {
  const path = join(folder(), name);
  writeFileSync(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  return path;
}

async function screened(
  source: string,
  options: Partial<ScreenOptions> & { method: Method },
): Promise<ScreenedRow[]> {
  const rows: ScreenedRow[] = [];
  for await (const row of screen(chat.model, source, { watches, maxTokens: 8, ...options })) rows.push(row);
  return rows;
}

/** by the engine's own reads, token by token */
async function byHand(row: {
  prompt: string;
  completion?: string;
}): Promise<{ answer: number; prompt: number }> {
  const { layer, vector } = watches[1]!;
  const { projections } = await chat.model.engine.run({
    prompt: chat.model.render([{ role: 'user', content: row.prompt }]),
    ...(row.completion === undefined
      ? { maxTokens: 8, sampling: { temperature: 0 } }
      : { answer: row.completion }),
    projections: [{ name: 'x', layer, direction: direction(vector, layer) }],
  });
  return { answer: mean(projections![0]!.tokens), prompt: projections![0]!.prompt };
}

describe.each(METHODS)('%s', (method) => {
  test('ranks every row of P above every row of N, at both layers', async () => {
    const rows = await screened(data(), { method, sample: 3 });
    expect(rows.map(({ row }) => row)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    for (const { name } of watches) {
      const of = (side: string): number[] =>
        rows.filter(({ fields }) => fields.side === side).map(({ traits }) => traits[name]!.difference!);
      expect(auc(of('P'), of('N'))).toBe(1);
    }
  });
});

test('projection and base are what a reading by hand gives', async () => {
  const [byDifference, byPrompt] = await Promise.all([
    screened(data(), { method: 'difference' }),
    screened(data(), { method: 'prompt' }),
  ]);
  for (const [i, row] of ROWS.slice(0, 4).entries()) {
    const given = await byHand(row);
    const own = await byHand({ prompt: row.prompt });
    const found = [byDifference[i]!, byPrompt[i]!].map(({ traits }) => traits['pish@2']!);
    expect(found[0]!.projection).toBeCloseTo(given.answer, 4);
    expect(found[0]!.base).toBeCloseTo(own.answer, 4);
    expect(found[0]!.difference).toBeCloseTo(given.answer - own.answer, 4);
    expect(found[1]!.projection).toBeCloseTo(given.answer, 4);
    expect(found[1]!.base).toBeCloseTo(given.prompt, 4);
  }
});

test('sampled: one base for a file, the mean over the rows that were drawn', async () => {
  const all = await screened(data(), { method: 'sampled', sample: 100 });
  const bases = await Promise.all(PLACES.map((place) => byHand({ prompt: `what of the ${place}.` })));
  for (const { traits } of all)
    expect(traits['pish@2']!.base).toBeCloseTo(mean(bases.map(({ answer }) => answer)), 4);
});

test('the model’s own answer is its own: a row that holds just that differs by nothing', async () => {
  const asked = [{ role: 'user' as const, content: 'what of the river.' }];
  const { text } = await chat.model.engine.run({
    prompt: chat.model.render(asked),
    maxTokens: 8,
    sampling: { temperature: 0 },
  });
  const [row] = await screened(data([{ messages: [...asked, { role: 'assistant', content: text }] }]), {
    method: 'difference',
  });
  expect(row!.traits['pish@2']!.difference).toBeCloseTo(0, 4);
});

test('what cannot be measured says why, and the rest goes on', async () => {
  const rows = await screened(
    data([
      { prompt: 'x', completion: '' },
      { prompt: 'x'.repeat(600), completion: 'P' },
      { prompt: 'x', completion: 'P' },
    ]),
    { method: 'prompt' },
  );
  expect(rows.map(({ reason }) => reason)).toEqual([
    'an empty answer',
    expect.stringContaining('longer than the context of 512 tokens'),
    undefined,
  ]);
  expect(rows[0]!.traits['pish@1']).toEqual({ projection: null, base: null, difference: null, z: null });
});

test('z is relative to the reference that is given', async () => {
  const reference = { 'pish@2': { mean: 1, sd: 2 } };
  const [row] = await screened(data(), { method: 'prompt', reference });
  const { difference, z } = row!.traits['pish@2']!;
  expect(z).toBeCloseTo((difference! - 1) / 2, 10);
  expect(row!.traits['pish@1']!.z).toBeNull();
});

test('duplicates are computed once', async () => {
  const { engine } = chat.model;
  let runs = 0;
  const counted = {
    ...chat.model,
    engine: new Proxy(engine, {
      get(target, key) {
        if (key === 'run') runs++;
        const value: unknown = Reflect.get(target, key, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    }),
  };
  const rows = [ROWS[0], ROWS[0], ROWS[1], ROWS[0]] as object[]; // two texts, one prompt
  for await (const _ of screen(counted, data(rows), { watches, method: 'difference', maxTokens: 4 }));
  expect(runs).toBe(3);
});

test('an abort ends it with ABORTED', async () => {
  const stop = new AbortController();
  const read = async (): Promise<void> => {
    for await (const _ of screen(
      chat.model,
      data([...Array(500).keys()].map((i) => ({ ...ROWS[0], prompt: `q ${i}` }))),
      {
        watches,
        method: 'difference',
        signal: stop.signal,
      },
    ))
      stop.abort();
  };
  await expect(read()).rejects.toMatchObject({ code: 'ABORTED' });
});
