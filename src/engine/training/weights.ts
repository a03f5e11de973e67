/**
 * The base model's weights in the device's memory, as they are in the file, and beside each matrix its transpose, by
 * which gradients go back through it: a product with a transposed copy is as fast as the one forward, ggml's own way
 * (`out_prod`) several times slower. The copies cost as much memory again; they are re-encoded along their own rows
 * (Q8_0 where the file is quantised), so a gradient through quantised weights is that of weights a little different.
 */

import { closeSync, openSync, readSync } from 'node:fs';
import { PersonaError } from '../../errors.ts';
import type { Buffer, Context, Tensor } from '../ggml.ts';
import { TARGETS, targetShape, type Architecture, type Target } from './architecture.ts';
import { TYPE, type TrainingBackend } from './backend.ts';
import { TrainingGraph } from './graph.ts';

/** Where a tensor lies in a model file. */
export interface WeightPlace {
  name: string;
  /** ggml's number of the type */
  type: number;
  /** fastest first */
  shape: number[];
  /** bytes from the file's start */
  offset: number;
  bytes: number;
}

export interface WeightsFile {
  path: string;
  tensors: WeightPlace[];
  /** matrices of these types are kept as Q8_0 instead: their own products are slow here */
  reencode: ReadonlySet<number>;
}

/** A matrix that maps `inputs` numbers to `outputs`. */
export interface Matrix {
  /** [inputs, outputs] */
  forward: Tensor;
  /** [outputs, inputs] */
  back: Tensor;
  /** [outputs] */
  bias: Tensor | null;
}

export interface BlockWeights {
  matrices: Record<Target, Matrix>;
  /** [d], [headWidth], by their names in the file without `.weight`; those that the architecture has */
  norms: Map<string, Tensor>;
}

/** Read and handed on piece by piece. Bytes. */
const PIECE = 2 ** 24;
const BLOCK = 32; // numbers of a Q8_0 block

/** Vectors: norms, biases of matrices, factors of the rope. */
function isVector(architecture: Architecture, name: string): boolean {
  if (name === 'output_norm.weight' || name === 'rope_freqs.weight') return true;
  const found = /^blk\.\d+\.(\w+)\.(weight|bias)$/.exec(name);
  if (found === null) return false;
  return found[2] === 'bias'
    ? TARGETS.includes(found[1] as Target)
    : normNames(architecture).includes(found[1]!);
}

/** Owns the weights' memory. */
export class Weights implements Disposable {
  readonly architecture: Architecture;
  /** [d, vocabulary] */
  readonly embedding: Tensor;
  readonly head: Matrix;
  readonly outputNorm: Tensor;
  readonly ropeFactors: Tensor | null;
  readonly blocks: BlockWeights[];
  /** bytes of the weights, and of the transposed copies among them */
  readonly bytes: { all: number; transposed: number };

  readonly #backend: TrainingBackend;
  readonly #ctx: Context;
  readonly #buffer: Buffer;
  readonly #tensors = new Map<string, Tensor>();

  /**
   * @throws PersonaError BAD_FILE for a tensor that is missing, of another shape, or not known to the architecture:
   * what the graph would leave out would be left out of the model
   */
  constructor(backend: TrainingBackend, architecture: Architecture, file: WeightsFile) {
    this.#backend = backend;
    this.architecture = architecture;
    const { ggml } = backend;
    const matrices = matrixNames(architecture, file);
    const known = (name: string): boolean => matrices.has(name) || isVector(architecture, name);
    const strange = file.tensors.find(({ name }) => !known(name) && name !== 'token_embd.weight');
    if (strange)
      throw new PersonaError(
        'UNSUPPORTED',
        `${file.path}: training knows nothing of tensor ${strange.name}`,
        {
          remedy: 'train a plain model of this architecture (no mixture of experts, no extra heads)',
        },
      );

    this.#ctx = ggml.ggml_init({
      mem_size: (file.tensors.length * 2 + 8) * Number(ggml.ggml_tensor_overhead()),
      mem_buffer: null,
      no_alloc: true,
    });
    const make = (name: string, type: number, shape: readonly number[]): Tensor => {
      const tensor: Tensor = ggml.ggml_new_tensor_2d(this.#ctx, type, shape[0], shape[1] ?? 1);
      this.#tensors.set(name, tensor);
      return tensor;
    };
    let transposed = 0;
    for (const place of file.tensors) {
      const matrix = matrices.get(place.name);
      if (matrix && (place.shape[0] !== matrix.inputs || place.shape[1] !== matrix.outputs))
        throw new PersonaError(
          'BAD_FILE',
          `${file.path}: tensor ${place.name} is [${place.shape.join(', ')}], expected [${matrix.inputs}, ${matrix.outputs}]`,
        );
      const isMatrix = matrix !== undefined || place.name === 'token_embd.weight';
      const type = !isMatrix ? TYPE.f32 : file.reencode.has(place.type) ? TYPE.q8_0 : place.type;
      make(place.name, type, place.shape);
      if (matrix)
        transposed += Number(
          ggml.ggml_nbytes(
            make(`${place.name}/back`, backType(place.type, matrix.outputs), [matrix.outputs, matrix.inputs]),
          ),
        );
    }
    this.#buffer = backend.allocate(this.#ctx);
    this.bytes = { all: Number(ggml.ggml_backend_buffer_get_size(this.#buffer)), transposed };

    try {
      this.#load(file, matrices);
      const get = (name: string): Tensor => {
        const tensor = this.#tensors.get(name);
        if (tensor === undefined)
          throw new PersonaError('BAD_FILE', `${file.path}: there is no tensor ${name}`);
        return tensor;
      };
      const matrix = (name: string): Matrix => ({
        forward: get(`${name}.weight`),
        back: get(`${name}.weight/back`),
        bias: this.#tensors.get(`${name}.bias`) ?? null,
      });
      this.embedding = get('token_embd.weight');
      this.head = matrix(matrices.has('output.weight') ? 'output' : 'token_embd');
      this.outputNorm = get('output_norm.weight');
      this.ropeFactors = this.#tensors.get('rope_freqs.weight') ?? null;
      this.blocks = Array.from({ length: architecture.layers }, (_, b) => ({
        matrices: Object.fromEntries(
          TARGETS.map((target) => [target, matrix(`blk.${b}.${target}`)]),
        ) as Record<Target, Matrix>,
        norms: new Map(
          normNames(architecture).map((name) => [name, get(`blk.${b}.${name}.weight`)] as const),
        ),
      }));
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  #load(file: WeightsFile, matrices: ReadonlyMap<string, unknown>): void {
    const handle = openSync(file.path, 'r');
    try {
      for (const place of file.tensors) {
        const tensor = this.#tensors.get(place.name)!;
        const isMatrix = matrices.has(place.name) || place.name === 'token_embd.weight';
        const asInFile = isMatrix ? !file.reencode.has(place.type) : place.type === TYPE.f32;
        if (asInFile) this.#read(handle, file.path, place, tensor);
        this.#convert(place, tensor, (source) => this.#read(handle, file.path, place, source), asInFile);
      }
    } finally {
      closeSync(handle);
    }
  }

  /** Makes what is not in the file as it is: a re-encoded tensor, a transposed copy. */
  #convert(place: WeightPlace, tensor: Tensor, read: (into: Tensor) => void, asInFile: boolean): void {
    const back = this.#tensors.get(`${place.name}/back`);
    if (asInFile && back === undefined) return;
    const { ggml } = this.#backend;
    let source = tensor;
    let ctx: Context | undefined;
    let buffer: Buffer | undefined;
    if (!asInFile) {
      ctx = ggml.ggml_init({
        mem_size: 2 * Number(ggml.ggml_tensor_overhead()),
        mem_buffer: null,
        no_alloc: true,
      });
      source = ggml.ggml_new_tensor_2d(ctx, place.type, place.shape[0], place.shape[1] ?? 1);
      buffer = this.#backend.allocate(ctx!);
      read(source);
    }
    const allocator = ggml.ggml_gallocr_new(ggml.ggml_backend_get_default_buffer_type(this.#backend.handle));
    try {
      using graph = new TrainingGraph(this.#backend, 16);
      const numbers = place.type === TYPE.f32 ? source : graph.cast(source, TYPE.f32);
      if (!asInFile) graph.copyTo(tensor, numbers);
      if (back !== undefined) graph.copyTo(back, graph.transposed(numbers));
      graph.compute(allocator);
    } finally {
      ggml.ggml_gallocr_free(allocator);
      if (buffer) ggml.ggml_backend_buffer_free(buffer);
      if (ctx) ggml.ggml_free(ctx);
    }
  }

  #read(handle: number, path: string, place: WeightPlace, into: Tensor): void {
    for (let done = 0; done < place.bytes; done += PIECE) {
      const piece = new Uint8Array(Math.min(PIECE, place.bytes - done));
      const got = readSync(handle, piece, 0, piece.length, place.offset + done);
      if (got !== piece.length)
        throw new PersonaError(
          'BAD_FILE',
          `${path}: tensor ${place.name} ends after ${done + got} of ${place.bytes} bytes`,
        );
      this.#backend.write(into, piece, done);
    }
  }

  [Symbol.dispose](): void {
    this.#backend.ggml.ggml_backend_buffer_free(this.#buffer);
    this.#backend.ggml.ggml_free(this.#ctx);
  }
}

/** As exact as the file: f32 stays f32, halves stay halves, and what is quantised is so again along the other side. */
function backType(type: number, rowLength: number): number {
  if (type === TYPE.f32 || type === TYPE.f16 || type === TYPE.bf16) return type;
  return rowLength % BLOCK === 0 ? TYPE.q8_0 : TYPE.f16;
}

export function normNames({ name }: Architecture): string[] {
  return [
    'attn_norm',
    'ffn_norm',
    ...(name === 'qwen3' || name === 'gemma3' ? ['attn_q_norm', 'attn_k_norm'] : []),
    ...(name === 'gemma3' ? ['post_attention_norm', 'post_ffw_norm'] : []),
  ];
}

/** The matrices that gradients pass; without a head of its own the embedding is one of them. */
function matrixNames(
  architecture: Architecture,
  { tensors }: WeightsFile,
): Map<string, { inputs: number; outputs: number }> {
  const { width, vocabulary } = architecture;
  const head = tensors.some(({ name }) => name === 'output.weight') ? 'output.weight' : 'token_embd.weight';
  const names = new Map([[head, { inputs: width, outputs: vocabulary }]]);
  for (let b = 0; b < architecture.layers; b++)
    for (const target of TARGETS) names.set(`blk.${b}.${target}.weight`, targetShape(architecture, target));
  return names;
}
