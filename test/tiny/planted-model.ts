/**
 * A tiny llama in which a direction is planted, so that what extraction, monitoring and steering should find is known.
 *
 * Its text is made of the letters a–z, the space, the full stop, and P and N. The trait is "writes P rather than N",
 * and v is its direction, of length 1:
 * - the token P writes +OWN·v into the residual stream, N writes −OWN·v, any other token nothing along v;
 * - a head of block 0 looks at all tokens so far alike, and writes their mean along v: an instruction full of P
 *   carries over to the answer, as an instruction of a real model does;
 * - the output head makes P likelier and N less likely with the stream's part along v, and the other way round.
 * All other block weights are too small to turn the stream away from v, so v is the direction at every layer.
 */
import { writeGguf } from '../../src/model/gguf-write.ts';
import { noise, noiseArray } from './noise.ts';
import { TINY, tinyMetadata, tinyTensors, tinyTokenizer } from './tiny-model.ts';
import { BYTE_TOKENS, byteTokenizer } from './tokenizers.ts';

export interface PlantedModel {
  /** v (d), of length 1 */
  direction: Float32Array;
  positive: 'P';
  negative: 'N';
}

export interface PlantedModelOptions {
  path: string;
  /** @default 1 */
  seed?: number;
  /**
   * What it writes. `numbers`: 0 … 100, each a token, the larger the more P rather than N there was so far; `digits`:
   * numbers in digits, a token each, with larger digits for more P. A judge of the trait, so to speak.
   * @default 'letters'
   */
  writes?: 'letters' | 'numbers' | 'digits';
}

/** What P adds along v. The stream's length without it is about 1.1. */
const OWN = 1.5;
/** What the head of block 0 adds along v for each unit of the mean normalised stream along v. With a fifth of the
 *  tokens so far P, that is about as much as OWN. */
const CARRIED = 1.2;
/** Length of what tells tokens apart. Small, so that means over few tokens differ by little but v. */
const IDENTITY = 0.5;
/** Logit of P for each unit of the normalised stream along v, whose length is √d = 8. */
const GAIN = 0.5;
/** Logit of the tokens outside the text's alphabet, for each unit of the normalised stream along `constant`. */
const OUTSIDE = -4;
/** Logit of the largest number for each unit of the normalised stream along v; the smallest has as much less. */
const NUMBER_GAIN = 2;
/** Size of the blocks' other output beside a usual one: some hundredths along any direction. */
const BLOCK_SCALE = 0.003;

const POSITIVE = 'P'.charCodeAt(0);
const NEGATIVE = 'N'.charCodeAt(0);

/** The numbers that are more than one byte, as the tokens after the usual ones. */
const LONG_NUMBERS = Array.from({ length: 91 }, (_, i) => String(10 + i));

export async function writePlantedModel(options: PlantedModelOptions): Promise<PlantedModel> {
  const { path, seed = 1, writes = 'letters' } = options;
  const tokenizer = writes === 'numbers' ? byteTokenizer(LONG_NUMBERS) : tinyTokenizer('llama');
  const tensors = tinyTensors('llama', tokenizer.tokens.length, seed);
  const next = noise(seed + 1);
  const direction = unit(noiseArray(next, TINY.width, 1), []);
  // In every token alike: what an output row needs to shift its logit whatever the token.
  const constant = unit(noiseArray(next, TINY.width, 1), [direction]);

  const data = new Map(tensors.map((tensor) => [tensor.name, tensor.data]));
  for (const [name, weights] of data) {
    if (name.endsWith('norm.weight')) weights.fill(1);
    if (name.endsWith('attn_output.weight') || name.endsWith('ffn_down.weight'))
      for (const i of weights.keys()) weights[i]! *= BLOCK_SCALE;
  }
  plantTokens(data.get('token_embd.weight')!, direction, constant, next);
  if (writes === 'letters') plantOutput(data.get('output.weight')!, direction, constant);
  else plantNumbers(data.get('output.weight')!, tokenizer.tokens, direction, constant);
  plantHead(
    data.get('blk.0.attn_q.weight')!,
    data.get('blk.0.attn_v.weight')!,
    data.get('blk.0.attn_output.weight')!,
    direction,
  );
  await writeGguf({ path, metadata: tinyMetadata('llama', tokenizer, 'tiny-planted'), tensors });
  return { direction, positive: 'P', negative: 'N' };
}

/** embeddings (vocabulary × d): constant + identity, ± OWN·v. P and N have one identity, so that they differ by v only. */
function plantTokens(
  embeddings: Float32Array,
  direction: Float32Array,
  constant: Float32Array,
  next: () => number,
): void {
  const { width } = TINY;
  const identities = Array.from({ length: embeddings.length / width }, () =>
    unit(noiseArray(next, width, 1), [direction, constant]),
  );
  identities[NEGATIVE] = identities[POSITIVE]!;
  for (const [token, identity] of identities.entries()) {
    const own = token === POSITIVE ? OWN : token === NEGATIVE ? -OWN : 0;
    for (let i = 0; i < width; i++)
      embeddings[token * width + i] = constant[i]! + IDENTITY * identity[i]! + own * direction[i]!;
  }
}

/** output (vocabulary × d): ±GAIN·v for P and N, a fixed low logit for all that is not in the alphabet. */
function plantOutput(output: Float32Array, direction: Float32Array, constant: Float32Array): void {
  const alphabet = new Set([...Buffer.from('abcdefghijklmnopqrstuvwxyz .PN'), BYTE_TOKENS.imEnd]);
  const { width } = TINY;
  for (let token = 0; token * width < output.length; token++) {
    const gain = token === POSITIVE ? GAIN : token === NEGATIVE ? -GAIN : 0;
    const shift = alphabet.has(token) ? 0 : OUTSIDE;
    for (let i = 0; i < width; i++) output[token * width + i] = gain * direction[i]! + shift * constant[i]!;
  }
}

/** output (vocabulary × d): for a number n of at most m, (2n/m − 1)·NUMBER_GAIN·v; all else but the end is unlikely. */
function plantNumbers(
  output: Float32Array,
  tokens: readonly string[],
  direction: Float32Array,
  constant: Float32Array,
): void {
  const { width } = TINY;
  const most = Math.max(...tokens.filter((text) => /^\d+$/.test(text)).map(Number));
  for (const [token, text] of tokens.entries()) {
    const isNumber = /^\d+$/.test(text);
    const gain = isNumber ? NUMBER_GAIN * ((2 * Number(text)) / most - 1) : 0;
    const shift = isNumber || token === BYTE_TOKENS.imEnd ? 0 : OUTSIDE;
    for (let i = 0; i < width; i++) output[token * width + i] = gain * direction[i]! + shift * constant[i]!;
  }
}

/** Head 0 of a block: queries of 0 look at all tokens alike; its first value is the stream along v, and is written along v. */
function plantHead(
  query: Float32Array,
  value: Float32Array,
  output: Float32Array,
  direction: Float32Array,
): void {
  const { width, heads, headWidth } = TINY;
  query.fill(0, 0, headWidth * width); // (heads·headWidth × d), the first headWidth rows
  value.set(direction, 0); // (kvHeads·headWidth × d), row 0
  for (let i = 0; i < width; i++) output[i * heads * headWidth] = CARRIED * direction[i]!; // column 0
}

/** The vector's part that is orthogonal to `others` (orthonormal), at length 1. */
function unit(vector: Float32Array, others: readonly Float32Array[]): Float32Array {
  const dot = (a: Float32Array, b: Float32Array): number => a.reduce((sum, x, i) => sum + x * b[i]!, 0);
  let rest = vector;
  for (const other of others) {
    const along = dot(rest, other);
    rest = rest.map((x, i) => x - along * other[i]!);
  }
  const length = Math.sqrt(dot(rest, rest));
  return rest.map((x) => x / length);
}
