/**
 * Files that llama-cvector-generator (llama.cpp v0.5.0) made on the planted model, from four lines full of P and four
 * full of N (of so few, the first principal component is none of the planted direction): `-m planted.gguf --method mean|pca --positive-file … --negative-file …`. Here they steer as in llama.cpp.
 */

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { cosine } from '../../src/math/vector.ts';
import { parseSpec } from '../../src/steer/spec.ts';
import { controlVectorSteering, readControlVector } from '../../src/steer/control-vector.ts';
import { resolveSteering } from '../../src/steer/resolve.ts';
import { readAnyVector } from '../../src/vector/convert.ts';
import { usePlanted } from '../support/planted-chat.ts';
import { TINY } from '../tiny/tiny-model.ts';

const chat = usePlanted();
const SCALE = 6;
const request = { prompt: 'a stone by the river. ', maxTokens: 24, sampling: { temperature: 0 } } as const;
const layers = Array.from({ length: TINY.layers }, (_, b) => b);

describe.each(['mean', 'pca'])('--method %s', (method) => {
  const path = join(import.meta.dirname, `../vector/fixtures/cvector-generator-${method}.gguf`);

  test('the activations are what llama.cpp itself makes of the file, and the text is the same', async () => {
    const { engine, identity } = chat.model;
    const loader = join(import.meta.dirname, '../vector/llama-loader.ts');
    const { stdout } = await promisify(execFile)(process.execPath, [loader, path, String(SCALE)]);
    const loaded = JSON.parse(stdout) as { width: number; values: number[] };
    expect(loaded.width).toBe(TINY.width);

    const file = await readControlVector(path);
    expect([...file.directions.keys()]).toEqual([1, 2, 3]);
    const { edits } = controlVectorSteering([{ ...file, scale: SCALE }], undefined, identity);
    const reads = { means: { layers, kinds: ['response_avg'] as const }, sharePrefix: false };
    const plain = await engine.run({ ...request, ...reads });
    const ours = await engine.run({ ...request, ...reads, edits });
    await engine.setControlVector(Float32Array.from(loaded.values), 1, TINY.layers - 1);
    const native = await engine.run({ ...request, ...reads });
    await engine.setControlVector(null, 1, 1);
    expect(ours.text).toBe(native.text);
    const [a, b] = [ours.means!.response_avg!, native.means!.response_avg!];
    a.forEach((x, i) => expect(Math.abs(x - b[i]!)).toBeLessThan(2e-3));
    const moved = a.map((x, i) => Math.abs(x - plain.means!.response_avg![i]!));
    expect(Math.max(...moved)).toBeGreaterThan(0.5);
  });

  test.runIf(method === 'mean')(
    'converted, it is a vector with the planted direction at its layers',
    async () => {
      const { vector, notes } = await readAnyVector(path, {
        model: () => Promise.resolve(chat.model.identity),
        trait: 'planted',
      });
      expect(notes.join('\n')).toMatch(/block 0|layer 0/i);
      for (let b = 1; b < TINY.layers; b++) {
        const row = vector.directions.subarray(b * TINY.width, (b + 1) * TINY.width);
        expect(Math.abs(cosine(row, chat.planted.direction)), `layer ${b}`).toBeGreaterThan(0.9);
      }
      const find = () => Promise.resolve(vector);
      const spec = parseSpec(`planted=${SCALE}@2/all`, () => false);
      const { edits } = await resolveSteering([spec], find, chat.model.identity);
      const { text } = await chat.model.engine.run({ ...request, edits });
      expect(text).not.toBe((await chat.model.engine.run(request)).text);
    },
  );
});
