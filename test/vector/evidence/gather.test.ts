/** The evidence for the planted direction, gathered by a whole extraction. */

import { existsSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test, vi } from 'vitest';
import { readVector } from '../../../src/vector/file.ts';
import { extract } from '../../../src/vector/extract.ts';
import type { Quality } from '../../../src/vector/vector.ts';
import { folder } from '../../support/folder.ts';
import { usePlanted } from '../../support/planted-chat.ts';
import { GREEDY, rows } from '../../support/planted-run.ts';
import { plantedTrait } from '../../support/planted-trait.ts';
import { TINY } from '../../tiny/tiny-model.ts';

const chat = usePlanted();
afterAll(() => vi.unstubAllEnvs());

const options = { ...GREEDY, evidence: 4 };

test('says that the vector is good, on what it was not made of; a run cut off within goes on to the same', async () => {
  const home = folder();
  vi.stubEnv('PERSONA_HOME', home);
  const run = join(folder(), 'run');
  const { vector, path } = await extract(chat.model, plantedTrait(), { ...options, run });
  const { quality } = await readVector(path);
  const { layer } = vector as { layer: number };
  expect(quality.heldOut).toMatchObject({ questions: 4, answers: 16 });
  expect(quality.heldOut!.auc[layer]).toMatchObject({ mean: 1, low: 1 });
  expect(quality.splitHalf).toHaveLength(TINY.layers);
  expect(quality.splitHalf![layer]!.mean).toBeGreaterThan(0.95);
  expect(quality.permutation!.p[layer]).toBeLessThan(0.005);
  expect(quality.floor!.trait.n).toBe(4);
  // the planted letters go up by the vector, and not by what has its length alone
  expect(quality.doses!.at(-1)!.trait.mean - quality.doses![0]!.trait.mean).toBeGreaterThan(50);
  expect(quality.refusals!.map(({ requests, unsteered }) => [requests, unsteered.n])).toEqual([
    ['ordinary', 4],
    ['harmful', 10],
  ]);
  expect(quality.similar!.map(({ trait }) => trait)).toEqual(['refusal']);
  expect(existsSync(join(home, 'refusal', `${chat.model.identity.sha256}.gguf`))).toBe(true);
  expect(quality.verdict!.use).not.toBe('no');

  // as a kill leaves it: no vector, the floor half written, what came after it lost, one answer missing
  const evidence = join(run, 'evidence.jsonl');
  const lines = readFileSync(evidence, 'utf8').trimEnd().split('\n');
  expect(lines.map((line) => (JSON.parse(line) as { piece: string }).piece)).toEqual([
    'samples',
    'held out',
    'floor',
    'capability',
    'refusals',
  ]);
  writeFileSync(evidence, `${lines[0]}\n${lines[2]!.slice(0, 40)}`);
  const heldOut = join(run, 'held-out.jsonl');
  const asked = readFileSync(heldOut);
  truncateSync(heldOut, asked.length - 20);
  const again = await extract(chat.model, plantedTrait(), { ...options, run });
  // read again from the text rather than while writing, and summed in another order: equal but for rounding
  const rounded = (_: string, x: unknown): unknown => (typeof x === 'number' ? Number(x.toPrecision(4)) : x);
  const comparable = (figures: Quality): object =>
    JSON.parse(JSON.stringify({ ...figures, seconds: 0 }, rounded)) as object;
  expect(comparable(again.vector.quality)).toEqual(comparable(quality));
  expect(rows(run, 'held-out.jsonl')).toHaveLength(16);
});
