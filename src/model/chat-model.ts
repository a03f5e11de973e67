/** A model that is ready to talk: found (and fetched), identified, loaded into an engine, with its chat template. */

import { openEngine, type Engine } from '../engine/engine.ts';
import { DEFAULT_CONTEXT, type EngineOptions } from '../engine/request.ts';
import { readGguf } from './gguf-read.ts';
import { modelFileHash } from './identity.ts';
import { identifyLoras } from './lora-file.ts';
import { type ModelIdentity, quantizationName, templateHash } from './model-identity.ts';
import { manyTexts } from './many-texts.ts';
import { resolveModel } from './pull.ts';
import type { ResolveOptions } from './resolved-model.ts';
import { slowQuantization } from './slow-quantization.ts';
import { renderChat, type ChatMessage } from './template.ts';

export type { ModelIdentity } from './model-identity.ts';

export interface ChatModel extends AsyncDisposable {
  engine: Engine;
  identity: ModelIdentity;
  path: string;
  /** Jinja; undefined for a base model that was given none */
  chatTemplate: string | undefined;
  /** The rendered prompt, up to where the assistant's answer begins. */
  render(messages: readonly ChatMessage[]): string;
}

type MayBeUndefined<T> = { [K in keyof T]: T[K] | undefined };

export interface OpenChatModelOptions
  extends MayBeUndefined<Omit<EngineOptions, 'modelPath' | 'parallel'>>, ResolveOptions {
  /** path, catalog name, `hf:…`; undefined: the default model */
  model?: string | undefined;
  /** Sequences decoded together; 'many' for work of many texts: up to 64, as memory allows. @default 8 */
  parallel?: number | 'many' | undefined;
  /** Jinja in place of the model's own. @default the file's */
  chatTemplate?: string | undefined;
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
  const quantization = quantizationName(file);
  const loras = await identifyLoras(options.loras ?? [], file, options);
  const { onLoadProgress } = options;
  const parallel =
    options.parallel === 'many'
      ? manyTexts(file, options.context ?? DEFAULT_CONTEXT, options.cacheType)
      : options.parallel;
  const engine = await openEngine({
    ...engineOptions({ ...options, parallel }),
    modelPath: found.path,
    ...(onLoadProgress && { onLoadProgress }),
  });
  const warning = engine.info.devices.some((line) => line.includes('CPU'))
    ? slowQuantization(quantization)
    : undefined;
  if (warning) options.onNote?.(warning);
  const { architecture, layers, width, bos, eos } = engine.info;
  const chatTemplate = options.chatTemplate ?? engine.info.chatTemplate;
  const told = new Set<string>();
  return {
    engine,
    path: found.path,
    chatTemplate,
    identity: {
      name: found.name,
      architecture,
      sha256,
      quantization,
      layers,
      width,
      templateSha256: templateHash(chatTemplate),
      ...(loras.length > 0 ? { loras } : {}),
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

function engineOptions(
  options: OpenChatModelOptions & { parallel: number | undefined },
): Omit<EngineOptions, 'modelPath'> {
  const { parallel, context, batch, threads, gpuLayers, cacheType, readVia, loras } = options;
  return Object.fromEntries(
    Object.entries({ parallel, context, batch, threads, gpuLayers, cacheType, readVia, loras }).filter(
      ([, value]) => value !== undefined,
    ),
  );
}
