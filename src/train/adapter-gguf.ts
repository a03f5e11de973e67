/**
 * Adapters as GGUF files that llama.cpp loads. Its loader multiplies by `adapter.lora.alpha` / rank, so what was scaled
 * by alpha / √rank is written with the alpha that comes to the same; what it really was lies beside it, in keys
 * `persona.lora.*`, which llama.cpp passes over.
 */

import { PersonaError } from '../errors.ts';
import { version } from '../files/package-version.ts';
import { ggufNumber, ggufString, type Gguf, type GgufValue } from '../model/gguf.ts';
import { readGguf, readTensor } from '../model/gguf-read.ts';
import { writeGguf, type TensorToWrite } from '../model/gguf-write.ts';
import { isLora } from '../model/lora-file.ts';
import { adapterScale, type Adapter, type AdapterFactors } from './adapter.ts';
import {
  bad,
  checkAdapter,
  OTHER_MATRIX,
  parseMatrix,
  readPairs,
  targetsOf,
  type FoundFactors,
  type Pair,
} from './adapter-pairs.ts';

/** Raised when the meaning of a `persona.*` key changes. */
const FORMAT = 1;
const PROVENANCE = 'persona.provenance.';
/** llama.cpp's alpha has 24 bits. */
const ALPHA_TOLERANCE = 1e-6;
/** Of llama.cpp's keys, this one makes an adapter act from certain tokens on only. */
const INVOCATION = 'adapter.alora.invocation_tokens';

export interface WriteAdapterOptions {
  /** what trained it, kept as `persona.provenance.KEY` @default none */
  provenance?: Readonly<Record<string, string>>;
}

/**
 * Writes the adapter whole: a killed process leaves the old file or the new one. The same adapter gives the same bytes.
 *
 *     await writeAdapterGguf('calm.gguf', adapter, { provenance: { data: 'calm.jsonl', steps: '160' } });
 *     await openChatModel({ model: 'smollm2', loras: [{ path: 'calm.gguf' }] });
 *
 * @throws PersonaError USAGE where the adapter does not hold together
 */
export async function writeAdapterGguf(
  path: string,
  adapter: Adapter,
  { provenance = {} }: WriteAdapterOptions = {},
): Promise<void> {
  checkAdapter(adapter);
  const { architecture, layers, rank, alpha, rslora, factors } = adapter;
  const text = (value: string): GgufValue => ({ type: 'string', value });
  const u32 = (value: number): GgufValue => ({ type: 'u32', value });
  const metadata: [string, GgufValue][] = [
    ['general.architecture', text(architecture)],
    ['general.type', text('adapter')],
    ['adapter.type', text('lora')],
    ['adapter.lora.alpha', { type: 'f32', value: adapterScale(adapter) * rank }],
    ['persona.format', u32(FORMAT)],
    ['persona.version', text(version)],
    ['persona.lora.rank', u32(rank)],
    ['persona.lora.alpha', { type: 'f64', value: alpha }],
    ['persona.lora.rslora', { type: 'bool', value: rslora }],
    ['persona.lora.layers', u32(layers)],
    ...Object.entries(provenance).map(([key, value]): [string, GgufValue] => [PROVENANCE + key, text(value)]),
  ];
  const tensors = [...factors].flatMap(([matrix, { a, b }]): TensorToWrite[] => [
    { name: `${matrix}.weight.lora_a`, shape: [a.length / rank, rank], type: 'F32', data: a },
    { name: `${matrix}.weight.lora_b`, shape: [rank, b.length / rank], type: 'F32', data: b },
  ]);
  await writeGguf({ path, metadata, tensors });
}

/**
 * Reads an adapter, ours or any GGUF LoRA of the same matrices, in F32, F16, BF16 or Q8_0. Where a file of others has
 * several ranks, the lower ones are filled up with zeros. Files of others do not say how many blocks their model has:
 * `layers` is then the last block they change, and one.
 *
 *     const adapter = await readAdapterGguf('calm.gguf');
 *     adapter.factors.get('blk.0.attn_q')!.a.length / adapter.rank; // inputs of the matrix
 *
 * @throws PersonaError BAD_FILE or UNSUPPORTED naming file and field, NOT_FOUND
 */
export async function readAdapterGguf(path: string): Promise<Adapter> {
  const file = await readGguf(path);
  if (!isLora(file)) throw bad(path, 'this is no LoRA adapter (general.type and adapter.type say so)');
  if (file.metadata.has(INVOCATION))
    throw new PersonaError(
      'UNSUPPORTED',
      `${path}: ${INVOCATION}: it acts after certain tokens only, which is not known here`,
      OTHER_MATRIX,
    );
  const architecture = ggufString(file, 'general.architecture');
  if (!architecture) throw bad(path, 'general.architecture is absent');
  const format = ggufNumber(file, 'persona.format');
  if (format !== undefined && format !== FORMAT)
    throw new PersonaError('BAD_FILE', `${path}: persona.format is ${format}, this version reads ${FORMAT}`, {
      remedy: 'use the version that wrote it',
    });
  const found = await readPairs(path, pairsOf(file), ({ name }) => readTensor(file, name));
  const scaled = scaleOf(file, found);
  const last = Math.max(...[...found.keys()].map((matrix) => parseMatrix(matrix)![0]));
  const layers = ggufNumber(file, 'persona.lora.layers') ?? last + 1;
  if (!(layers > last)) throw bad(path, `persona.lora.layers is ${layers}, but there is a blk.${last}`);
  return { architecture, layers, ...scaled, targets: targetsOf(found.keys()) };
}

/** What was noted of how the adapter came about. */
export async function readProvenance(path: string): Promise<Record<string, string>> {
  const { metadata } = await readGguf(path, { skipArraysOver: 0 });
  const notes = [...metadata].flatMap(([key, value]): [string, string][] =>
    key.startsWith(PROVENANCE) && value.type === 'string'
      ? [[key.slice(PROVENANCE.length), value.value]]
      : [],
  );
  return Object.fromEntries(notes);
}

function pairsOf(file: Gguf): Map<string, Pair> {
  const pairs = new Map<string, Pair>();
  for (const { name, shape } of file.tensors.values()) {
    const parts = /^(.+)\.weight\.lora_([ab])$/.exec(name);
    const matrix = parts?.[1];
    if (parts === null || matrix === undefined || !parseMatrix(matrix))
      throw new PersonaError('UNSUPPORTED', `${file.path}: ${name} is of no matrix known here`, OTHER_MATRIX);
    if (shape.length !== 2) throw bad(file.path, `${name} has ${shape.length} dimensions, not 2`);
    const half = { name, rows: shape[1]!, columns: shape[0]! };
    pairs.set(matrix, { ...pairs.get(matrix), [parts[2] as 'a' | 'b']: half });
  }
  return pairs;
}

/** One rank and one scale for all factors. */
function scaleOf(
  file: Gguf,
  found: Map<string, FoundFactors>,
): Pick<Adapter, 'rank' | 'alpha' | 'rslora' | 'factors'> {
  const stated = statedAlpha(file);
  const ranks = [...found.values()].map(({ rank }) => rank);
  const rank = Math.max(...ranks);
  const own = ggufNumber(file, 'persona.lora.rank');
  if (own === undefined) {
    const levelled = new Map([...found].map(([matrix, pair]) => [matrix, level(pair, rank, stated !== 0)]));
    // without an alpha llama.cpp does not scale
    return { rank, alpha: stated === 0 ? rank : stated, rslora: false, factors: levelled };
  }
  for (const [matrix, { rank: here }] of found)
    if (here !== own)
      throw bad(file.path, `${matrix}.weight.lora_a has rank ${here}, persona.lora.rank is ${own}`);
  const alpha = ggufNumber(file, 'persona.lora.alpha') ?? Number.NaN;
  const rslora = file.metadata.get('persona.lora.rslora');
  if (rslora?.type !== 'bool') throw bad(file.path, 'persona.lora.rslora must be a bool');
  const head = { rank, alpha, rslora: rslora.value };
  const expected = adapterScale(head) * rank;
  if (!(Math.abs(stated - expected) <= ALPHA_TOLERANCE * Math.abs(expected)))
    throw bad(
      file.path,
      `adapter.lora.alpha is ${stated}, but persona.lora.alpha ${alpha} at rank ${rank} makes it ${expected}`,
    );
  const factors = new Map(
    [...found].map(([matrix, { a, b }]): [string, AdapterFactors] => [matrix, { a, b }]),
  );
  return { ...head, factors };
}

/** llama.cpp's alpha; 0 where there is none */
function statedAlpha(file: Gguf): number {
  const found = file.metadata.get('adapter.lora.alpha');
  if (found === undefined) return 0;
  if (found.type === 'f32' && Number.isFinite(found.value)) return found.value;
  throw bad(file.path, 'adapter.lora.alpha must be a finite number (f32)');
}

/**
 * The same product at a higher rank: zeros behind A's rows and in B's, and, where the scale is alpha / rank, B times
 * what the scale becomes smaller by.
 */
function level({ rank, a, b }: FoundFactors, to: number, byRank: boolean): AdapterFactors {
  if (rank === to) return { a, b };
  const outputs = b.length / rank;
  const wideA = new Float32Array((a.length / rank) * to);
  wideA.set(a);
  const wideB = new Float32Array(outputs * to);
  for (let o = 0; o < outputs; o++)
    for (let r = 0; r < rank; r++) wideB[o * to + r] = b[o * rank + r]! * (byRank ? to / rank : 1);
  return { a: wideA, b: wideB };
}
