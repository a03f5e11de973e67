/** Where training graphs are computed: a device, and memory on it. */

import { PersonaError } from '../../errors.ts';
import {
  deviceOf,
  openGgml,
  view,
  type Backend as BackendHandle,
  type Buffer,
  type Context,
  type Ggml,
  type Graph,
  type Tensor,
} from '../ggml.ts';
import { TENSOR } from '../ffi.ts';
import { Pace } from '../pace.ts';

/** ggml's numbers of the types that graphs make; files' types come as numbers with the weights. */
export const TYPE = { f32: 0, f16: 1, q8_0: 8, i32: 26, bf16: 30 } as const;

export interface BackendOptions {
  /** of the CPU; fewer compute while other programs crowd it. Results are the same bits with any number: every sum is one
   *  thread's, in one order */
  threads: number;
  /** @default 'cpu' */
  device?: 'cpu' | 'gpu';
}

/** Owns the device's handle. */
export class TrainingBackend implements Disposable {
  readonly ggml: Ggml;
  readonly handle: BackendHandle;
  readonly device: 'cpu' | 'gpu';
  readonly #pace: Pace;

  /** @throws PersonaError UNSUPPORTED where there is no such device */
  constructor({ threads, device = 'cpu' }: BackendOptions) {
    this.ggml = openGgml((text, level) => {
      if (level >= 3) process.stderr.write(text); // warnings and errors
    });
    this.device = device;
    this.handle = this.ggml.ggml_backend_dev_init(deviceOf(this.ggml.native, device), null);
    if (!this.handle) throw new PersonaError('ENGINE_FAILED', `the ${device} cannot be opened for training`);
    if (device === 'cpu') this.ggml.setThreads(this.handle, threads);
    // threads that wait for a GPU use no processor time: nothing can be learned from that
    this.#pace = new Pace(device === 'cpu' ? threads : 1, (count) =>
      this.ggml.setThreads(this.handle, count),
    );
  }

  /** @throws PersonaError ENGINE_FAILED */
  compute(graph: Graph): void {
    let status = 0;
    this.#pace.run(() => {
      status = this.ggml.ggml_backend_graph_compute(this.handle, graph) as number;
    });
    if (status !== 0) throw new PersonaError('ENGINE_FAILED', `a training pass failed with ${status}`);
  }

  /** Tensors that stay: described in `ctx`, their memory in one buffer, zeroed. */
  allocate(ctx: Context): Buffer {
    const buffer: Buffer = this.ggml.ggml_backend_alloc_ctx_tensors(ctx, this.handle);
    if (!buffer) throw new PersonaError('ENGINE_FAILED', 'no memory left for training', MEMORY_REMEDY);
    this.ggml.ggml_backend_buffer_clear(buffer, 0);
    return buffer;
  }

  write(tensor: Tensor, data: ArrayBufferView, offset = 0): void {
    this.ggml.native.ggml_backend_tensor_set(tensor, data, offset, data.byteLength);
  }

  /** The first `length` numbers of an f32 tensor, copied. */
  read(tensor: Tensor, length: number): Float32Array {
    const out = new Float32Array(length);
    this.ggml.native.ggml_backend_tensor_get(tensor, out, 0, out.byteLength);
    return out;
  }

  /** The numbers of an f32 tensor where they lie, when the device's memory is this process's own. */
  viewOf(tensor: Tensor, length: number): Float32Array {
    const [data] = new BigUint64Array(view(tensor + BigInt(TENSOR.data), 8));
    return new Float32Array(view(data!, length * 4));
  }

  [Symbol.dispose](): void {
    this.ggml.ggml_backend_free(this.handle);
  }
}

export const MEMORY_REMEDY = {
  remedy: 'lower --pass-tokens or --max-length, or take a smaller --rank',
} as const;
