/** Our vector files in llama.cpp itself: its own loader reads them, and what it then does is what our edit does. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { version } from '../../src/files/package-version.ts';
import { openChatModel } from '../../src/model/chat-model.ts';
import { random } from '../../src/math/random.ts';
import { writeVector } from '../../src/vector/file.ts';
import { direction, type PersonaVector } from '../../src/vector/vector.ts';
import { folder } from '../support/folder.ts';

const LAYER = 15;
const COEFFICIENT = 1.5;

test(
  "llama.cpp's own loader and control vector give the greedy text of our edit",
  { timeout: 300_000 },
  async () => {
    await using model = await openChatModel({ parallel: 2, context: 512, threads: 2 });
    const { layers, width } = model.identity;
    const source = random(7);
    // a direction of the size of a real one at this layer: a tenth of the residual norm
    const vector: PersonaVector = {
      trait: 'drawn',
      kind: 'response_avg',
      model: model.identity,
      directions: Float32Array.from({ length: layers * width }, () => 0.6 * source.normal()),
      recipe: { created: '2026-01-01T00:00:00.000Z' },
      quality: {},
      layer: LAYER,
      version,
    };
    const path = join(folder(), 'vector.gguf');
    await writeVector(path, vector);

    const script = join(import.meta.dirname, 'llama-loader.ts');
    const { stdout } = await promisify(execFile)(process.execPath, [script, path, String(COEFFICIENT)], {
      maxBuffer: 2 ** 26,
    });
    const loaded = JSON.parse(stdout) as { width: number; values: number[] };
    expect(loaded.width).toBe(width);
    // llama.cpp's buffer begins with block 1, every direction times the strength
    expect(loaded.values).toHaveLength((layers - 1) * width);
    for (let b = 1; b < layers; b++) {
      const theirs = loaded.values.slice((b - 1) * width, b * width);
      const ours = Array.from(direction(vector, b), (x) => Math.fround(x * COEFFICIENT));
      expect(theirs).toEqual(ours);
    }

    const request = {
      prompt: model.render([{ role: 'user', content: 'Tell me about a walk along the coast.' }]),
      maxTokens: 60,
      sampling: { temperature: 0 },
      sharePrefix: false,
    };
    const plain = await model.engine.run(request);
    const edited = await model.engine.run({
      ...request,
      edits: [
        {
          op: 'add',
          layer: LAYER,
          direction: direction(vector, LAYER),
          coefficient: COEFFICIENT,
          scope: 'all',
        },
      ],
    });
    await model.engine.setControlVector(Float32Array.from(loaded.values), LAYER, LAYER);
    const native = await model.engine.run(request);
    await model.engine.setControlVector(null, 0, 0);
    expect(edited.text).not.toBe(plain.text);
    expect(native.text).toBe(edited.text);
    expect((await model.engine.run(request)).text).toBe(plain.text);
  },
);
