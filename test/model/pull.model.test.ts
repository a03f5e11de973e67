/** The real default model, by the real pip, re-encoded by the real engine. About 100 MB. */

import { stat } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { catalog } from '../../src/model/catalog.ts';
import { modelFileHash } from '../../src/model/identity.ts';
import { listModels } from '../../src/model/list.ts';
import { resolveModel } from '../../src/model/pull.ts';
import { temporaryHome } from './temporary-home.ts';

test(
  'the default model comes, is what was pinned, and is there again at once',
  { timeout: 600_000 },
  async () => {
    await using home = await temporaryHome();
    const notes: string[] = [];
    const env = { PERSONA_HOME: home.path };
    const model = await resolveModel(undefined, { env, onNote: (note) => notes.push(note) });
    expect(model.path).toMatch(/models\/smollm2-135m-instruct\/SmolLM2-135M-Instruct\.Q8_0\.gguf$/);
    expect((await stat(model.path)).size).toBeGreaterThan(140e6);
    expect(notes.join('\n')).toMatch(/Apache-2\.0[^]*keeping both/);

    const packaged = await resolveModel('smollm2-135m-instruct:Q4_1', { env, offline: true });
    expect(await modelFileHash(packaged.path, { home: home.path })).toBe(catalog[0]!.sha256);
    expect(await resolveModel(undefined, { env, offline: true })).toEqual(model);
    const names = (await listModels(home.path)).map(({ name }) => name);
    expect(names).toEqual(['smollm2-135m-instruct:Q4_1', 'smollm2-135m-instruct']);
  },
);
