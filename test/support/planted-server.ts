/** The planted model behind the HTTP interface, with the direction planted in it as the vector `pish`. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { type ChatModel, openChatModel } from '../../src/model/chat-model.ts';
import { buildApp } from '../../src/server/app.ts';
import { served, type Served } from '../../src/server/served.ts';
import type { PersonaVector } from '../../src/vector/vector.ts';
import { writePlantedModel } from '../tiny/planted-model.ts';
import { TINY } from '../tiny/tiny-model.ts';
import { aVector } from './a-vector.ts';

export interface PlantedServer {
  folder: string;
  model: ChatModel;
  /** v at each layer, times 1, 2, 3 and 4; its own layer 2 and coefficient 1.5 */
  pish: PersonaVector;
  /** vectors pish, and other: an unrelated direction without layer, coefficient and baseline */
  served: Served;
  /** asks a server of this model; `changes` as in `served` */
  ask(path: string, body: unknown, changes?: Partial<Served>, init?: RequestInit): Promise<Response>;
  /** the JSON of an answer that is to be well */
  chat(body: object, changes?: Partial<Served>): Promise<ChatAnswer>;
}

export interface ChatAnswer {
  choices: {
    index: number;
    message: { content: string };
    finish_reason: string;
    logprobs: null | { content: { token: string; logprob: number; top_logprobs: { token: string }[] }[] };
    persona: Persona;
  }[];
  usage: {
    prompt_tokens: number;
    completion_tokens: number;
    total_tokens: number;
    prompt_tokens_details: { cached_tokens: number };
  };
}

export interface WireReading {
  raw: number | null;
  z: number | null;
}

export interface Summary {
  layer: number;
  mean: WireReading;
  max: WireReading;
  last: WireReading;
  prompt: WireReading;
  tokens?: (WireReading & { text: string })[];
}

export interface Persona {
  seed: number;
  steering: { vector: string; layer: number; op: string; coefficient?: number; positions: number | null }[];
  traits: Record<string, Summary>;
  fired: { rule: string }[];
  baseline?: { text: string; readings: Record<string, Summary>; finish_reason: string };
  tokens?: { index: number; text: string; readings: Record<string, WireReading> }[];
  baseline_of?: number;
}

export const SAY = [{ role: 'user', content: 'aPb c' }];
/** Always the likeliest token, and no end before the limit. */
export const GREEDY = { messages: SAY, temperature: 0, max_tokens: 12, ignore_eos: true };

export function usePlantedServer(): PlantedServer {
  const holder = {} as PlantedServer;
  beforeAll(async () => {
    holder.folder = await mkdtemp(join(tmpdir(), 'served-'));
    const path = join(holder.folder, 'planted.gguf');
    const { direction } = await writePlantedModel({ path });
    holder.model = await openChatModel({
      model: path,
      home: join(holder.folder, 'home'),
      threads: 1,
      parallel: 4,
      context: 256,
      cacheType: 'f32',
    });
    const directions = Float32Array.from(
      { length: TINY.layers * TINY.width },
      (_, i) => direction[i % TINY.width]! * (1 + Math.floor(i / TINY.width)),
    );
    holder.pish = aVector({ trait: 'pish', model: holder.model.identity, directions });
    const { layer: _, coefficient: __, baseline: ___, residualNorms: ____, ...bare } = aVector();
    const other: PersonaVector = { ...bare, trait: 'other', model: holder.model.identity };
    const loaded = (vector: PersonaVector): { vector: PersonaVector; source: string; loadedAt: string } => ({
      vector,
      source: 'test',
      loadedAt: new Date(0).toISOString(),
    });
    const vectors = new Map([
      ['pish', loaded(holder.pish)],
      ['other', loaded(other)],
    ]);
    holder.served = served(holder.model, { vectors });
  });
  afterAll(async () => {
    await holder.model?.[Symbol.asyncDispose]();
    await rm(holder.folder, { recursive: true });
  });
  holder.ask = async (path, body, changes = {}, init = {}) =>
    await buildApp({ ...holder.served, ...changes }).request(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: typeof body === 'string' ? body : JSON.stringify(body),
      ...init,
    });
  holder.chat = async (body, changes) => {
    const response = await holder.ask('/v1/chat/completions', { ...GREEDY, ...body }, changes);
    const said = (await response.json()) as ChatAnswer;
    if (response.status !== 200) throw new Error(JSON.stringify(said));
    return said;
  };
  return holder;
}
