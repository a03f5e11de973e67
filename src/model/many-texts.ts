/**
 * How many texts a model works on together where there are many of them: decoding gets faster with each, but each has
 * a cache of its own, which for a large model and long texts is not small.
 */

import { DEFAULT_PARALLEL, type EngineOptions } from '../engine/request.ts';
import { ggufNumber, ggufString, type Gguf } from './gguf.ts';

/** Beyond this many a batch of a small model decodes hardly faster on a CPU. */
export const MOST = 64;
/** What the caches of more texts than usual may take together, bytes. */
const CACHE_BYTES = 1.5 * 2 ** 30;
const VALUE_BYTES = { f16: 2, f32: 4 };

/** Bytes that one token takes in the KV cache. @param gguf the model's header */
export function cacheBytesPerToken(gguf: Gguf, cacheType: EngineOptions['cacheType'] = 'f16'): number {
  const architecture = ggufString(gguf, 'general.architecture');
  const blocks = ggufNumber(gguf, `${architecture}.block_count`) ?? 0;
  const width = ggufNumber(gguf, `${architecture}.embedding_length`) ?? 0;
  let values = 0;
  for (let block = 0; block < blocks; block++) {
    for (const name of ['attn_k', 'attn_v']) {
      // (d × rows); where queries, keys and values are one tensor, as if each head had keys of its own
      values += gguf.tensors.get(`blk.${block}.${name}.weight`)?.shape[1] ?? width;
    }
  }
  return values * VALUE_BYTES[cacheType];
}

/** As many texts as pay off, where their caches stay small; as many as usual where they do not. */
export function manyTexts(
  gguf: Gguf,
  contextPerText: number,
  cacheType?: EngineOptions['cacheType'],
): number {
  const one = contextPerText * cacheBytesPerToken(gguf, cacheType);
  return Math.min(MOST, Math.max(DEFAULT_PARALLEL, Math.floor(CACHE_BYTES / one)));
}
