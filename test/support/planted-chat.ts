/** The planted model as a chat model, opened before a file's tests and closed after them. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { openChatModel, type ChatModel } from '../../src/model/chat-model.ts';
import { type PlantedModel, writePlantedModel } from '../tiny/planted-model.ts';

export interface PlantedChat {
  readonly model: ChatModel;
  readonly planted: PlantedModel;
  /** of the model file, and for whatever a test writes */
  readonly folder: string;
}

export function usePlanted(): PlantedChat {
  const holder = {} as { model: ChatModel; planted: PlantedModel; folder: string };
  beforeAll(async () => {
    holder.folder = await mkdtemp(join(tmpdir(), 'planted-'));
    const path = join(holder.folder, 'planted.gguf');
    holder.planted = await writePlantedModel({ path });
    holder.model = await openChatModel({
      model: path,
      home: join(holder.folder, 'home'),
      threads: 1,
      context: 512,
      cacheType: 'f32',
    });
  });
  afterAll(async () => {
    await holder.model[Symbol.asyncDispose]();
    await rm(holder.folder, { recursive: true });
  });
  return holder;
}
