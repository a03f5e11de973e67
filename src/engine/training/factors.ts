/**
 * LoRA factors (Hu et al., arXiv 2106.09685): beside a frozen matrix W a product of two thin ones, W x + s·B A x. Here
 * with their gradients, in the device's memory. Matrices that read the same input (query, key and value; gate and up)
 * have their A in one tensor, rank by rank, so that the input is multiplied once. B lies transposed: long rows.
 */

import type { Buffer, Context, Tensor } from '../ggml.ts';
import { targetShape, type Architecture, type Target } from './architecture.ts';
import { TYPE, type TrainingBackend } from './backend.ts';

/** Matrices of a block that read the same input. */
export const GROUPS: readonly (readonly Target[])[] = [
  ['attn_q', 'attn_k', 'attn_v'],
  ['attn_output'],
  ['ffn_gate', 'ffn_up'],
  ['ffn_down'],
];

export interface FactorsOptions {
  rank: number;
  targets: readonly Target[];
}

/** One tensor of factors: the A of a group's matrices, or the B of one. */
export type FactorPlace = { block: number; group: number; inputs: number; outputs: number } & (
  | { kind: 'a'; targets: Target[] }
  | { kind: 'b'; target: Target }
);

/** The factors' tensors in the order in which they are kept everywhere: A [inputs, outputs], B [outputs, inputs]. */
export function factorPlaces(architecture: Architecture, { rank, targets }: FactorsOptions): FactorPlace[] {
  return Array.from({ length: architecture.layers }, (_, block) =>
    GROUPS.flatMap((all, group): FactorPlace[] => {
      const chosen = all.filter((target) => targets.includes(target));
      if (chosen.length === 0) return [];
      const { inputs } = targetShape(architecture, chosen[0]!);
      return [
        { kind: 'a', block, group, targets: chosen, inputs, outputs: rank * chosen.length },
        ...chosen.map((target) => ({
          kind: 'b' as const,
          block,
          group,
          target,
          inputs: rank,
          outputs: targetShape(architecture, target).outputs,
        })),
      ];
    }),
  ).flat();
}

export interface FactorTensor {
  /** numbers */
  length: number;
  value: Tensor;
  gradient: Tensor;
}

/** The factors of a group's matrices that have some. */
export interface GroupFactors {
  targets: Target[];
  /** [inputs, targets × rank] */
  a: FactorTensor;
  /** by target, [outputs, rank] */
  b: Map<Target, FactorTensor>;
}

/** Owns the factors' memory. */
export class Factors implements Disposable {
  readonly rank: number;
  /** by block, then by the place of the group in GROUPS; undefined where none of its matrices has factors */
  readonly blocks: (GroupFactors | undefined)[][];
  /** all tensors in a fixed order */
  readonly all: FactorTensor[] = [];
  readonly bytes: number;

  readonly #backend: TrainingBackend;
  readonly #ctx: Context;
  readonly #buffer: Buffer;

  constructor(backend: TrainingBackend, architecture: Architecture, { rank, targets }: FactorsOptions) {
    this.#backend = backend;
    this.rank = rank;
    const { ggml } = backend;
    const places = factorPlaces(architecture, { rank, targets });
    this.#ctx = ggml.ggml_init({
      mem_size: (places.length * 2 + 1) * Number(ggml.ggml_tensor_overhead()),
      mem_buffer: null,
      no_alloc: true,
    });
    this.blocks = Array.from({ length: architecture.layers }, () => GROUPS.map(() => undefined));
    for (const place of places) {
      const { inputs, outputs } = place;
      const [ne0, ne1] = place.kind === 'a' ? [inputs, outputs] : [outputs, inputs];
      const tensor = (): Tensor => ggml.ggml_new_tensor_2d(this.#ctx, TYPE.f32, ne0, ne1);
      const made = { length: inputs * outputs, value: tensor(), gradient: tensor() };
      this.all.push(made);
      const block = this.blocks[place.block]!;
      if (place.kind === 'a') block[place.group] = { targets: place.targets, a: made, b: new Map() };
      else block[place.group]!.b.set(place.target, made);
    }
    this.#buffer = backend.allocate(this.#ctx);
    this.bytes = Number(ggml.ggml_backend_buffer_get_size(this.#buffer));
  }

  read(tensor: FactorTensor): { value: Float32Array; gradient: Float32Array } {
    return {
      value: this.#backend.read(tensor.value, tensor.length),
      gradient: this.#backend.read(tensor.gradient, tensor.length),
    };
  }

  write(tensor: FactorTensor, value: Float32Array): void {
    this.#backend.write(tensor.value, value);
  }

  /**
   * Value and gradient where they lie, when the device's memory is this process's own (the CPU's is): what is written
   * there is written. They end with the factors.
   */
  inPlace(tensor: FactorTensor): { value: Float32Array; gradient: Float32Array } | undefined {
    if (!this.#backend.ggml.ggml_backend_buffer_is_host(this.#buffer)) return undefined;
    return {
      value: this.#backend.viewOf(tensor.value, tensor.length),
      gradient: this.#backend.viewOf(tensor.gradient, tensor.length),
    };
  }

  clearGradients(): void {
    for (const { gradient, length } of this.all)
      this.#backend.ggml.ggml_backend_tensor_memset(gradient, 0, 0, length * 4);
  }

  [Symbol.dispose](): void {
    this.#backend.ggml.ggml_backend_buffer_free(this.#buffer);
    this.#backend.ggml.ggml_free(this.#ctx);
  }
}
