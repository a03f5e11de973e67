/**
 * Works a low-rank product into rows of a matrix that is in a model file's own type. W is unpacked, s·B A is added in
 * float32, and the sum is packed again, by ggml and in a process of its own: numbers that ggml does not expect may
 * abort it. Changes below the type's step are dithered, or most of them would be lost.
 */

import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { PersonaError } from '../errors.ts';
import { dither } from './dither.ts';
import { TENSOR } from './ffi.ts';
import { view, type Ggml } from './ggml.ts';
import { TrainingBackend, TYPE } from './training/backend.ts';
import { TrainingGraph } from './training/graph.ts';

export interface RowsToMerge {
  /** ggml's number of the type */
  type: number;
  inputs: number;
  rows: number;
  /** (rows × inputs), as in the file */
  weights: Uint8Array;
  rank: number;
  /** (rank × inputs) */
  a: Float32Array;
  /** (rows × rank) */
  b: Float32Array;
  scale: number;
  /** decides how small changes are rounded */
  seed: number;
}

type Reply = { rows: Uint8Array } | { failed: string };

/** Owns the process. */
export interface Merger extends AsyncDisposable {
  /** One call at a time. @returns the rows in the same type @throws PersonaError ENGINE_FAILED, ENGINE_CRASHED */
  merge(rows: RowsToMerge): Promise<Uint8Array>;
}

/** Native words kept for the message of a crash. */
const KEPT_LOG = 2000;

export function openMerger({ threads }: { threads: number }): Merger {
  const child = fork(fileURLToPath(import.meta.url), ['merge-rows', String(threads)], {
    serialization: 'advanced', // typed arrays as they are
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    execArgv: [],
    env: { ...process.env, GGML_NO_BACKTRACE: '1' },
  });
  let log = '';
  child.stderr!.on('data', (chunk: Buffer) => (log = (log + chunk.toString()).slice(-KEPT_LOG)));
  let waiting: { resolve: (reply: Reply) => void; reject: (error: PersonaError) => void } | undefined;
  let ended: PersonaError | undefined;
  const end = (how: string): void => {
    const words = log.trim().split('\n').slice(-3).join('; ');
    ended ??= new PersonaError('ENGINE_CRASHED', `the merging process ${how}${words ? `: ${words}` : ''}`);
    waiting?.reject(ended);
  };
  child.on('message', (reply: Reply) => waiting?.resolve(reply));
  child.on('error', (error) => end(`cannot work: ${error.message}`));
  const closed = new Promise<void>((resolve) =>
    child.on('close', (code, signal) => {
      end(signal ? `was ended by ${signal}` : `exited with ${code}`);
      resolve();
    }),
  );
  return {
    async merge(rows) {
      if (ended) throw ended;
      const reply = await new Promise<Reply>((resolve, reject) => {
        waiting = { resolve, reject };
        child.send(rows);
      });
      if ('failed' in reply) throw new PersonaError('ENGINE_FAILED', reply.failed);
      return reply.rows;
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL'); // it keeps nothing
      await closed;
    },
  };
}

/** Tensors and operators of one call: Aᵀ and its transposition, W's cast, the product, its scale, the sum. */
const NODES = 16;

async function mergeHere(backend: TrainingBackend, threads: number, rows: RowsToMerge): Promise<Uint8Array> {
  const { ggml } = backend;
  const { type, inputs, rank, scale } = rows;
  const ctx = ggml.ggml_init({
    mem_size: Number(ggml.ggml_tensor_overhead()),
    mem_buffer: null,
    no_alloc: true,
  });
  const weights = ggml.ggml_new_tensor_2d(ctx, type, inputs, rows.rows);
  const buffer = backend.allocate(ctx);
  const allocator = ggml.ggml_gallocr_new(ggml.ggml_backend_get_default_buffer_type(backend.handle));
  try {
    if (Number(ggml.ggml_nbytes(weights)) !== rows.weights.byteLength)
      throw new Error(`expected ${ggml.ggml_nbytes(weights)} bytes of rows, got ${rows.weights.byteLength}`);
    backend.write(weights, rows.weights);
    using graph = new TrainingGraph(backend, NODES);
    const a = graph.transposed(graph.input('f32', rows.a, inputs, rank)); // [rank, inputs]
    const product = graph.multiply(a, graph.input('f32', rows.b, rank, rows.rows)); // [inputs, rows]
    const numbers = graph.output(type === TYPE.f32 ? weights : graph.cast(weights, TYPE.f32));
    const sum = graph.output(graph.add(numbers, graph.scale(product, scale)));
    graph.compute(allocator);
    const from = dataOf(sum);
    if (!ggml.ggml_validate_row_data(TYPE.f32, from, inputs * rows.rows * 4))
      throw new Error('a merged weight is not finite');
    dither(
      type,
      numbersAt(dataOf(numbers), inputs * rows.rows),
      numbersAt(from, inputs * rows.rows),
      rows.seed,
    );
    const to = dataOf(weights);
    await pack(ggml, threads, rows, from, to);
    const packed = new Uint8Array(view(to, rows.weights.byteLength)).slice();
    if (!ggml.ggml_validate_row_data(type, to, packed.byteLength))
      throw new Error('a merged weight is beyond what its type can hold');
    return packed;
  } finally {
    ggml.ggml_gallocr_free(allocator);
    ggml.ggml_backend_buffer_free(buffer);
    ggml.ggml_free(ctx);
  }
}

function dataOf(tensor: bigint): bigint {
  return new BigUint64Array(view(tensor + BigInt(TENSOR.data), 8))[0]!;
}

function numbersAt(address: bigint, count: number): Float32Array {
  return new Float32Array(view(address, count * 4));
}

/** Packs the rows into the type, some on each thread: each row is packed by itself. */
async function pack(
  ggml: Ggml,
  threads: number,
  { type, inputs, rows, weights }: RowsToMerge,
  from: bigint,
  to: bigint,
): Promise<void> {
  const quantize = promisify(
    (ggml.ggml_quantize_chunk as unknown as { async: (...args: never[]) => void }).async,
  );
  const share = Math.ceil(rows / threads);
  const rowBytes = weights.byteLength / rows;
  const parts = Array.from({ length: Math.ceil(rows / share) }, async (_, i) => {
    const first = i * share;
    const count = Math.min(share, rows - first);
    const source = from + BigInt(first * inputs * 4);
    const target = to + BigInt(first * rowBytes);
    await (quantize as (...args: unknown[]) => Promise<unknown>)(
      type,
      source,
      target,
      0,
      count,
      inputs,
      null,
    );
  });
  await Promise.all(parts);
}

const [script, verb, threads] = process.argv.slice(1);
if (process.send && script === fileURLToPath(import.meta.url) && verb === 'merge-rows') {
  process.on('SIGINT', () => {}); // Ctrl-C goes to the whole group; the host decides what ends
  const backend = new TrainingBackend({ threads: Number(threads) });
  process.on('message', (rows: RowsToMerge) => {
    void mergeHere(backend, Number(threads), rows).then(
      (merged) => process.send!({ rows: merged }),
      (error: Error) => process.send!({ failed: error.message }),
    );
  });
}
