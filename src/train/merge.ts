/**
 * Works an adapter into its model: a GGUF file of the same types, with W + s·B A in place of W. Everything else is
 * copied byte for byte.
 */

import { realpath } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { basename } from 'node:path';
import { openMerger, type Merger } from '../engine/merge-matrix.ts';
import { PersonaError } from '../errors.ts';
import { version } from '../files/package-version.ts';
import { throwIfAborted } from '../model/abort.ts';
import {
  GGML_TYPES,
  ggufNumber,
  ggufString,
  type Gguf,
  type GgufTensor,
  type GgufValue,
} from '../model/gguf.ts';
import { readGguf, readTensorBytes } from '../model/gguf-read.ts';
import { writeGguf } from '../model/gguf-write.ts';
import type { Progress } from '../model/progress.ts';
import { adapterScale, type Adapter } from './adapter.ts';
import { checkAdapter } from './adapter-pairs.ts';

export interface MergeOptions {
  /** @default all cores */
  threads?: number;
  /** what trained the adapter, kept as `persona.provenance.KEY` @default none */
  provenance?: Readonly<Record<string, string>>;
  /** Jinja that the merged model is to bring. @default the base's own */
  chatTemplate?: string | undefined;
  /** bytes of tensors written */
  onProgress?: (progress: Progress) => void;
  signal?: AbortSignal | undefined;
}

/** Types that ggml packs well without knowing which weights matter; a base of others cannot be written again. */
const PACKABLE: ReadonlySet<string> = new Set([
  'F32',
  'F16',
  'BF16',
  'Q8_0',
  'Q4_0',
  'Q4_1',
  'Q5_0',
  'Q5_1',
  'Q2_K',
  'Q3_K',
  'Q4_K',
  'Q5_K',
  'Q6_K',
]);

/** Numbers that are unpacked at once, and so 4 bytes each in a few copies. */
const PIECE = 2 ** 22;

/**
 * Writes the merged model whole: a killed process leaves no half of it. One tensor is in memory at a time.
 *
 *     await mergeAdapter('smollm2-Q8_0.gguf', await readAdapterGguf('calm.gguf'), 'calm-Q8_0.gguf', {
 *       onProgress: ({ done, total }) => console.log(done / total!),
 *     });
 *
 * A change below a type's step is rounded up or down by chance, so that none of it is lost in the mean; the noise of
 * that is below the type's own. The same adapter gives the same bytes.
 *
 * @throws PersonaError WRONG_MODEL where the adapter is of another model, UNSUPPORTED for a type that cannot be written
 * again, BAD_FILE, USAGE, ABORTED
 */
export async function mergeAdapter(
  basePath: string,
  adapter: Adapter,
  outPath: string,
  options: MergeOptions = {},
): Promise<void> {
  const { threads = availableParallelism(), onProgress, signal } = options;
  checkAdapter(adapter);
  const base = await readGguf(basePath);
  await refuseSameFile(basePath, outPath);
  refuseOtherModel(base, adapter);

  const tensors = [...base.tensors.values()];
  const total = tensors.reduce((sum, { bytes }) => sum + bytes, 0);
  const label = `merging into ${basename(outPath)}`;
  let done = 0;
  await using merger = openMerger({ threads });
  await writeGguf({
    path: outPath,
    metadata: metadataOf(base, adapter, options),
    tensors: tensors.map((tensor, n) => ({
      name: tensor.name,
      shape: tensor.shape,
      type: tensor.type,
      data: async () => {
        throwIfAborted(signal);
        const bytes = adapter.factors.has(matrixOf(tensor))
          ? await merged(base, tensor, adapter, { merger, seed: n * 2 ** 32, signal })
          : await readTensorBytes(base, tensor.name);
        onProgress?.({ label, done: (done += tensor.bytes), total, unit: 'B' });
        return bytes;
      },
    })),
  });
}

/** `blk.0.attn_q.weight` → `blk.0.attn_q` */
function matrixOf({ name }: GgufTensor): string {
  return name.endsWith('.weight') ? name.slice(0, -'.weight'.length) : '';
}

async function merged(
  base: Gguf,
  tensor: GgufTensor,
  adapter: Adapter,
  { merger, seed, signal }: { merger: Merger; seed: number; signal: AbortSignal | undefined },
): Promise<Uint8Array> {
  const [inputs, outputs] = tensor.shape as [number, number];
  const { rank } = adapter;
  const { a, b } = adapter.factors.get(matrixOf(tensor))!;
  const rowBytes = tensor.bytes / outputs;
  const most = Math.max(1, Math.floor(PIECE / inputs));
  const out = new Uint8Array(tensor.bytes);
  for (let row = 0; row < outputs; row += most) {
    throwIfAborted(signal);
    const rows = Math.min(most, outputs - row);
    const weights = await readTensorBytes(base, tensor.name, row * rowBytes, rows * rowBytes);
    const piece = {
      type: GGML_TYPES[tensor.type].id,
      inputs,
      rows,
      weights,
      rank,
      a,
      b: b.slice(row * rank, (row + rows) * rank),
      scale: adapterScale(adapter),
      seed: seed + row,
    };
    try {
      out.set(await merger.merge(piece), row * rowBytes);
    } catch (error) {
      throw new PersonaError('ENGINE_FAILED', `${base.path}: ${tensor.name}: ${(error as Error).message}`, {
        remedy: 'check that the model and the adapter are whole; merge into a copy in F16 or F32',
        cause: error,
      });
    }
  }
  return out;
}

async function refuseSameFile(base: string, out: string): Promise<void> {
  const there = await realpath(out).catch(() => undefined);
  if (there !== undefined && there === (await realpath(base)))
    throw new PersonaError('USAGE', `${out}: this is the base model itself`, {
      remedy: 'give the merged model another name',
    });
}

function refuseOtherModel(base: Gguf, adapter: Adapter): void {
  const { path } = base;
  const other = (what: string): PersonaError =>
    new PersonaError('WRONG_MODEL', `${path}: ${what}`, {
      remedy: 'give the model that the adapter was trained on',
    });
  const architecture = ggufString(base, 'general.architecture');
  if (architecture !== adapter.architecture)
    throw other(`an adapter for ${adapter.architecture}; the model is ${architecture ?? 'of none'}`);
  const layers = ggufNumber(base, `${architecture}.block_count`);
  if (layers !== undefined && layers < adapter.layers)
    throw other(`an adapter of ${adapter.layers} blocks; the model has ${layers}`);
  if ((ggufNumber(base, 'split.count') ?? 1) > 1)
    throw new PersonaError('UNSUPPORTED', `${path}: split.count: the model is split over several files`, {
      remedy: 'join them first, with llama.cpp’s llama-gguf-split --merge',
    });
  for (const [matrix, { a, b }] of adapter.factors) {
    const name = `${matrix}.weight`;
    const tensor = base.tensors.get(name);
    if (!tensor) throw other(`there is no ${name}, which the adapter changes`);
    const shape = [a.length / adapter.rank, b.length / adapter.rank];
    if (tensor.shape.length !== 2 || shape.some((size, i) => size !== tensor.shape[i]))
      throw other(
        `${name} is [${tensor.shape.join(', ')}], the adapter's factors are of [${shape.join(', ')}]`,
      );
    if (!PACKABLE.has(tensor.type) || base.tensors.has(`${matrix}.scale`))
      throw new PersonaError(
        'UNSUPPORTED',
        `${path}: ${name} is ${tensor.type}, which cannot be written again without knowing which weights matter`,
        {
          remedy: `merge into a copy of the model in another type (${[...PACKABLE].join(', ')}), or use the adapter beside it with --lora`,
        },
      );
  }
}

/** The base's own, and what was done. A model that was merged before keeps its notes of that under their numbers. */
function metadataOf(
  base: Gguf,
  adapter: Adapter,
  { provenance = {}, chatTemplate }: MergeOptions,
): Map<string, GgufValue> {
  const metadata = new Map<string, GgufValue>();
  for (const [key, value] of base.metadata) if (value.type !== 'skipped') metadata.set(key, value);
  const text = (value: string): GgufValue => ({ type: 'string', value });
  let n = 0;
  while (metadata.has(`persona.merge.${n}.base`)) n++;
  const { rank, alpha, rslora, targets } = adapter;
  if (chatTemplate !== undefined) metadata.set('tokenizer.chat_template', text(chatTemplate));
  metadata.set('persona.version', text(version));
  metadata.set(`persona.merge.${n}.base`, text(basename(base.path)));
  metadata.set(`persona.merge.${n}.adapter`, text(JSON.stringify({ rank, alpha, rslora, targets })));
  for (const [key, value] of Object.entries(provenance))
    metadata.set(`persona.merge.${n}.provenance.${key}`, text(value));
  return metadata;
}
