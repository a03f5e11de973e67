/** What a training process holds: the device, the base weights, and the memory that passes share. */

import type { GraphAllocator } from '../ggml.ts';
import type { Architecture } from './architecture.ts';
import { TrainingBackend, type BackendOptions } from './backend.ts';
import { Weights, type WeightsFile } from './weights.ts';

/** Owns all of it. */
export class TrainingMemory implements Disposable {
  readonly backend: TrainingBackend;
  readonly weights: Weights;
  readonly allocator: GraphAllocator;

  /** @throws PersonaError BAD_FILE, UNSUPPORTED, ENGINE_FAILED */
  constructor(architecture: Architecture, file: WeightsFile, options: BackendOptions) {
    this.backend = new TrainingBackend(options);
    const { ggml, handle } = this.backend;
    try {
      this.weights = new Weights(this.backend, architecture, file);
    } catch (error) {
      this.backend[Symbol.dispose]();
      throw error;
    }
    this.allocator = ggml.ggml_gallocr_new(ggml.ggml_backend_get_default_buffer_type(handle));
  }

  /** bytes that the largest pass so far needed */
  get passBytes(): number {
    return Number(this.backend.ggml.ggml_gallocr_get_buffer_size(this.allocator, 0));
  }

  [Symbol.dispose](): void {
    this.backend.ggml.ggml_gallocr_free(this.allocator);
    this.weights[Symbol.dispose]();
    this.backend[Symbol.dispose]();
  }
}
