/** From a model file to what a training graph has to know of it; whatever that graph could not honour is refused. */

import type { Architecture, TrainableArchitecture } from '../engine/training/architecture.ts';
import { TRAINABLE_ARCHITECTURES } from '../engine/training/architecture.ts';
import type { WeightsFile } from '../engine/training/weights.ts';
import { PersonaError } from '../errors.ts';
import { GGML_TYPES, ggufNumber, ggufString, type GgmlType, type Gguf } from '../model/gguf.ts';
import { slowQuantization } from '../model/slow-quantization.ts';

/** llama.cpp's defaults where a file says nothing */
const ROPE_BASE = 10_000;
const LOCAL_ROPE_BASE = 10_000;
const GEMMA_PATTERN = 6;
const GEMMA_27B_LAYERS = 62;

/** @throws PersonaError UNSUPPORTED, BAD_FILE */
export function architectureOf(file: Gguf): Architecture {
  const name = ggufString(file, 'general.architecture') ?? 'unknown';
  const refuse = (what: string): never => {
    throw new PersonaError('UNSUPPORTED', `${file.path}: training does not know ${what}`, {
      remedy: `models that can be trained: ${TRAINABLE_ARCHITECTURES.join(', ')}, as their plain GGUF files have them`,
    });
  };
  if (!isTrainable(name)) return refuse(`architecture ${name}`);
  const number = (key: string): number | undefined => ggufNumber(file, `${name}.${key}`);
  const needed = (key: string): number => {
    const value = number(key);
    if (value === undefined) throw new PersonaError('BAD_FILE', `${file.path}: no ${name}.${key}`);
    return value;
  };
  const width = needed('embedding_length');
  const layers = needed('block_count');
  const heads = needed('attention.head_count');
  const kvHeads = number('attention.head_count_kv') ?? heads;
  const headWidth = number('attention.key_length') ?? width / heads;
  if ((number('attention.value_length') ?? headWidth) !== headWidth)
    return refuse('values of another width than the keys');
  if (heads % kvHeads !== 0) return refuse(`${heads} query heads on ${kvHeads} key heads`);
  if ((number('expert_count') ?? 0) > 0) return refuse('mixtures of experts');
  if ((number('final_logit_softcapping') ?? 0) !== 0) return refuse('capped logits');
  const scaling = ggufString(file, `${name}.rope.scaling.type`) ?? 'none';
  if (scaling !== 'none' && scaling !== 'linear') return refuse(`rope scaling ${scaling}`);
  const embedding = file.tensors.get('token_embd.weight');
  if (!embedding) throw new PersonaError('BAD_FILE', `${file.path}: there is no tensor token_embd.weight`);

  const window = name === 'gemma3' ? (number('attention.sliding_window') ?? 0) : 0;
  const isGemma = name === 'gemma3';
  return {
    name,
    layers,
    width,
    heads,
    kvHeads,
    headWidth,
    feedForward: needed('feed_forward_length'),
    vocabulary: embedding.shape[1]!,
    epsilon: needed('attention.layer_norm_rms_epsilon'),
    rope: {
      pairs: name === 'llama' ? 'neighbours' : 'halves',
      dimensions: number('rope.dimension_count') ?? headWidth,
      base: number('rope.freq_base') ?? ROPE_BASE,
      scale: scaling === 'linear' ? 1 / (number('rope.scaling.factor') ?? 1) : 1,
      originalContext: number('rope.scaling.original_context_length') ?? needed('context_length'),
    },
    ...(window > 0 && {
      local: {
        window,
        base: number('rope.freq_base_swa') ?? LOCAL_ROPE_BASE,
        blocks: localBlocks(file, layers),
      },
    }),
    embeddingScale: isGemma ? Math.sqrt(width) : 1,
    attentionScale: 1 / Math.sqrt(isGemma && layers === GEMMA_27B_LAYERS ? width / heads : headWidth),
    activation: isGemma ? 'gelu' : 'silu',
  };
}

function isTrainable(name: string): name is TrainableArchitecture {
  return (TRAINABLE_ARCHITECTURES as readonly string[]).includes(name);
}

/** Every so-many-th block sees all; or the file lists which see a window only. */
function localBlocks(file: Gguf, layers: number): boolean[] {
  const found = file.metadata.get('gemma3.attention.sliding_window_pattern');
  if (found?.type === 'array') return Array.from({ length: layers }, (_, b) => Boolean(found.items[b]));
  const pattern = ggufNumber(file, 'gemma3.attention.sliding_window_pattern') ?? GEMMA_PATTERN;
  return Array.from({ length: layers }, (_, b) => pattern === 0 || b % pattern < pattern - 1);
}

/** The file's tensors as the trainer takes them. */
export function weightsOf(file: Gguf): WeightsFile {
  const slow = (Object.keys(GGML_TYPES) as GgmlType[]).filter((type) => slowQuantization(type) !== undefined);
  return {
    path: file.path,
    tensors: [...file.tensors.values()].map(({ name, type, shape, offset, bytes }) => ({
      name,
      type: GGML_TYPES[type].id,
      shape,
      offset,
      bytes,
    })),
    reencode: new Set(slow.map((type) => GGML_TYPES[type].id)),
  };
}
