/** A home folder for CLI tests: the planted model, and in the vectors folder the direction planted in it, named `pish`. */

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, vi } from 'vitest';
import { type ChatModel, openChatModel } from '../../src/model/chat-model.ts';
import { writeVector } from '../../src/vector/file.ts';
import type { PersonaVector } from '../../src/vector/vector.ts';
import { writePlantedModel } from '../tiny/planted-model.ts';
import { TINY } from '../tiny/tiny-model.ts';
import { aVector } from './a-vector.ts';
import { type Ended, PERSONA, runCli } from './run-cli.ts';

export interface PlantedHome {
  folder: string;
  /** path of the model */
  model: string;
  /** `pish`: v at each layer, times 1, 2, 3 and 4, so that lengths matter; its own layer 2 and coefficient 1.5 */
  vector: PersonaVector;
  /** the same model, opened in the test's own process */
  open(): Promise<ChatModel>;
  /** runs `persona …` there */
  persona(...args: string[]): Promise<Ended>;
  personaWithInput(input: string, ...args: string[]): Promise<Ended>;
}

/** Made before the tests of a file, gone after them. */
export function plantedHome(): PlantedHome {
  const folder = mkdtempSync(join(tmpdir(), 'persona-home-'));
  const model = join(folder, 'planted.gguf');
  const home: PlantedHome = {
    folder,
    model,
    vector: aVector(),
    open: () => openChatModel({ model, home: folder, threads: 1, parallel: 2 }),
    persona: (...args) => runCli(PERSONA, args),
    personaWithInput: (input, ...args) => runCli(PERSONA, args, undefined, input),
  };

  beforeAll(async () => {
    vi.stubEnv('PERSONA_HOME', folder);
    mkdirSync(join(folder, 'vectors'));
    const { direction } = await writePlantedModel({ path: model });
    await using opened = await home.open();
    const directions = Float32Array.from(
      { length: TINY.layers * TINY.width },
      (_, i) => direction[i % TINY.width]! * (1 + Math.floor(i / TINY.width)),
    );
    home.vector = aVector({ trait: 'pish', model: opened.identity, directions });
    await writeVector(join(folder, 'vectors/pish.gguf'), home.vector);
  });
  afterAll(() => {
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true, force: true });
  });
  return home;
}

/** Options under which a tiny model answers the same each time, and soon. */
export const QUICK = ['--threads', '1', '--max-tokens', '12', '--temperature', '0', '--ignore-eos'];
