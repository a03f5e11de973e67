/**
 * Which features of a sparse autoencoder a direction is made of: the cosine with each direction of its decoder
 * (paper §10). The decoder is read row by row, since such files have many gigabytes.
 */

import { PersonaError } from '../errors.ts';
import { readSafetensors, safetensorRows, type Safetensors } from '../files/safetensors.ts';
import { dot, norm } from '../math/vector.ts';

/** What the libraries call the decoder's matrix. */
const DECODER_NAMES = ['W_dec', 'decoder.weight', 'dec'];
/** The largest autoencoders have some ten million features. */
const MAX_FEATURES = 2 ** 24;

export interface Feature {
  feature: number;
  cosine: number;
}

export interface Decomposition {
  /** name of the decoder's tensor */
  tensor: string;
  features: number;
  /** features without a direction */
  dead: number;
  /** the nearest, best first */
  positive: Feature[];
  /** the most opposed, most opposed first */
  negative: Feature[];
}

export interface DecomposeOptions {
  /** of each sign */
  top: number;
  /** @default the first of the usual names that the file has */
  tensor?: string | undefined;
  signal?: AbortSignal | undefined;
  onRows?: ((done: number, total: number) => void) | undefined;
}

/** @param v one layer's direction, (d) @throws PersonaError BAD_FILE or WRONG_MODEL */
export async function decompose(
  v: Float32Array,
  path: string,
  options: DecomposeOptions,
): Promise<Decomposition> {
  const file = await readSafetensors(path);
  const tensor = decoderOf(file, options.tensor);
  const [rows, columns] = file.tensors.get(tensor)!.shape as [number, number];
  const width = v.length;
  if (columns !== width && rows !== width)
    throw new PersonaError(
      'WRONG_MODEL',
      `${path}: ${tensor} has the shape [${rows}, ${columns}]; the vector has width ${width}`,
      { remedy: 'Use an autoencoder of the same model.' },
    );
  const perRow = columns === width; // a square one too: a row a feature, as in W_dec
  const features = perRow ? rows : columns;
  if (features > MAX_FEATURES)
    throw new PersonaError(
      'UNSUPPORTED',
      `${path}: ${tensor} has ${features} features, more than ${MAX_FEATURES}`,
    );
  const cosines = new Float32Array(features);
  const sums = perRow ? undefined : { dots: new Float64Array(features), squares: new Float64Array(features) };
  const length = norm(v);
  for await (const { row, numbers } of safetensorRows(file, tensor)) {
    options.signal?.throwIfAborted();
    for (let i = 0; i * columns < numbers.length; i++) {
      const line = numbers.subarray(i * columns, (i + 1) * columns);
      if (!sums) cosines[row + i] = dot(line, v) / (norm(line) * length);
      else addColumnwise(sums, line, v[row + i]!);
    }
    options.onRows?.(row + numbers.length / columns, rows);
  }
  if (sums)
    for (let f = 0; f < features; f++) cosines[f] = sums.dots[f]! / (Math.sqrt(sums.squares[f]!) * length);
  return { tensor, features, ...extremes(cosines, options.top) };
}

/** One coordinate of all features at once: the matrix is [d, features]. */
function addColumnwise(
  { dots, squares }: { dots: Float64Array; squares: Float64Array },
  line: Float32Array,
  coordinate: number,
): void {
  for (let f = 0; f < line.length; f++) {
    dots[f]! += line[f]! * coordinate;
    squares[f]! += line[f]! * line[f]!;
  }
}

function extremes(cosines: Float32Array, top: number): Pick<Decomposition, 'dead' | 'positive' | 'negative'> {
  const alive = cosines.filter((value) => !Number.isNaN(value)).sort();
  const [low, high] = [alive[top - 1] ?? Infinity, alive[alive.length - top] ?? -Infinity];
  const positive: Feature[] = [];
  const negative: Feature[] = [];
  for (const [feature, cosine] of cosines.entries()) {
    if (cosine > 0 && cosine >= high) positive.push({ feature, cosine });
    if (cosine < 0 && cosine <= low) negative.push({ feature, cosine });
  }
  positive.sort((a, b) => b.cosine - a.cosine || a.feature - b.feature);
  negative.sort((a, b) => a.cosine - b.cosine || a.feature - b.feature);
  return {
    dead: cosines.length - alive.length,
    positive: positive.slice(0, top),
    negative: negative.slice(0, top),
  };
}

function decoderOf({ path, tensors }: Safetensors, wanted: string | undefined): string {
  const names = wanted === undefined ? DECODER_NAMES : [wanted];
  const found = names.find((name) => tensors.get(name)?.shape.length === 2);
  if (found !== undefined) return found;
  const matrices = [...tensors].filter(([, { shape }]) => shape.length === 2).map(([name]) => name);
  throw new PersonaError('BAD_FILE', `${path}: no matrix named ${names.join(', ')}: where is the decoder?`, {
    remedy: `Name it with --tensor. Matrices in the file: ${matrices.slice(0, 20).join(', ') || 'none'}.`,
  });
}
