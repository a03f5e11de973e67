/** A model that is ready to talk: found (and fetched), identified, loaded into an engine, with its chat template. */

import { createHash } from 'node:crypto';
import { openEngine, type Engine } from '../engine/engine.ts';
import type { EngineOptions } from '../engine/request.ts';
import { modelFileHash } from './identity.ts';
import { ggufNumber } from './gguf.ts';
import { readGguf } from './gguf-read.ts';
import { resolveModel } from './pull.ts';
import type { ResolveOptions } from './resolved-model.ts';
import { slowQuantization } from './slow-quantization.ts';
import { renderChat, type ChatMessage } from './template.ts';

/** Which weights these are; a vector is refused on others. */
export interface ModelIdentity {
  name: string;
  architecture: string;
  /** of the weights file */
  sha256: string;
  /** e.g. `Q8_0` */
  quantization: string;
  layers: number;
  /** d, of the residual stream */
  width: number;
  /** of the chat template's text; '' where the file has none */
  templateSha256: string;
}

export interface ChatModel extends AsyncDisposable {
  engine: Engine;
  identity: ModelIdentity;
  path: string;
  /** The rendered prompt, up to where the assistant's answer begins. */
  render(messages: readonly ChatMessage[]): string;
}

type MayBeUndefined<T> = { [K in keyof T]: T[K] | undefined };

export interface OpenChatModelOptions
  extends MayBeUndefined<Omit<EngineOptions, 'modelPath'>>, ResolveOptions {
  /** path, catalog name, `hf:…`; undefined: the default model */
  model?: string | undefined;
  /** from 0 to 1, while the weights are read */
  onLoadProgress?: ((fraction: number) => void) | undefined;
}

/**
 * Opens a model for chat.
 * @throws PersonaError of finding, reading or loading it
 */
export async function openChatModel(options: OpenChatModelOptions = {}): Promise<ChatModel> {
  const found = await resolveModel(options.model, options);
  const [sha256, file] = await Promise.all([
    modelFileHash(found.path, options),
    readGguf(found.path, { skipArraysOver: 0 }),
  ]);
  const quantization = fileTypeName(ggufNumber(file, 'general.file_type'));
  const { onLoadProgress } = options;
  const engine = await openEngine({
    ...engineOptions(options),
    modelPath: found.path,
    ...(onLoadProgress && { onLoadProgress }),
  });
  const warning = engine.info.devices.some((line) => line.includes('CPU'))
    ? slowQuantization(quantization)
    : undefined;
  if (warning) options.onNote?.(warning);
  const { chatTemplate, architecture, layers, width, bos, eos } = engine.info;
  const told = new Set<string>();
  return {
    engine,
    path: found.path,
    identity: {
      name: found.name,
      architecture,
      sha256,
      quantization,
      layers,
      width,
      templateSha256: chatTemplate ? createHash('sha256').update(chatTemplate).digest('hex') : '',
    },
    render(messages) {
      const { prompt, notes } = renderChat(chatTemplate, messages, {
        ...(bos === undefined ? {} : { bos }),
        ...(eos === undefined ? {} : { eos }),
      });
      for (const note of notes) {
        if (told.has(note)) continue;
        told.add(note);
        options.onNote?.(note);
      }
      return prompt;
    },
    [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](),
  };
}

function engineOptions(options: OpenChatModelOptions): Omit<EngineOptions, 'modelPath'> {
  const { parallel, context, batch, threads, gpuLayers, cacheType, readVia } = options;
  return Object.fromEntries(
    Object.entries({ parallel, context, batch, threads, gpuLayers, cacheType, readVia }).filter(
      ([, value]) => value !== undefined,
    ),
  );
}

/** llama.cpp's LLAMA_FTYPE numbers, by the names that people know. */
const fileTypes: Record<number, string> = {
  0: 'F32',
  1: 'F16',
  2: 'Q4_0',
  3: 'Q4_1',
  7: 'Q8_0',
  8: 'Q5_0',
  9: 'Q5_1',
  10: 'Q2_K',
  11: 'Q3_K_S',
  12: 'Q3_K_M',
  13: 'Q3_K_L',
  14: 'Q4_K_S',
  15: 'Q4_K_M',
  16: 'Q5_K_S',
  17: 'Q5_K_M',
  18: 'Q6_K',
  19: 'IQ2_XXS',
  20: 'IQ2_XS',
  21: 'Q2_K_S',
  22: 'IQ3_XS',
  23: 'IQ3_XXS',
  24: 'IQ1_S',
  25: 'IQ4_NL',
  26: 'IQ3_S',
  27: 'IQ3_M',
  28: 'IQ2_S',
  29: 'IQ2_M',
  30: 'IQ4_XS',
  31: 'IQ1_M',
  32: 'BF16',
  36: 'TQ1_0',
  37: 'TQ2_0',
  38: 'MXFP4_MOE',
};

function fileTypeName(type: number | undefined): string {
  return type === undefined ? 'unknown' : (fileTypes[type] ?? `type ${type}`);
}
