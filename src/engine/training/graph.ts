/**
 * A graph that is being built: ggml's operators by short names, on tensors whose memory comes later. One graph serves
 * one pass; building it anew costs milliseconds, and lets every pass have the lengths of its own samples.
 */

import { PersonaError } from '../../errors.ts';
import type { Context, Ggml, Graph as GraphHandle, GraphAllocator, Tensor } from '../ggml.ts';
import { MEMORY_REMEDY, TYPE, type TrainingBackend } from './backend.ts';

/** How a head's pairs turn with the position. */
export interface Rope {
  positions: Tensor;
  /** one per pair, or null */
  factors: Tensor | null;
  dimensions: number;
  mode: number;
  originalContext: number;
  base: number;
  scale: number;
}

/** YaRN's constants, which have no effect without it. */
const YARN = [0, 1, 32, 1] as const;

/** Owns the descriptions of its tensors. Shapes in comments are ggml's, fastest first. */
export class TrainingGraph implements Disposable {
  readonly #ggml: Ggml;
  readonly #backend: TrainingBackend;
  readonly #ctx: Context;
  readonly #graph: GraphHandle;
  readonly #inputs: { tensor: Tensor; data: ArrayBufferView }[] = [];

  /** @param nodes more than the graph will have */
  constructor(backend: TrainingBackend, nodes: number) {
    const ggml = backend.ggml;
    this.#ggml = ggml;
    this.#backend = backend;
    const bytes =
      nodes * Number(ggml.ggml_tensor_overhead()) + Number(ggml.ggml_graph_overhead_custom(nodes, false));
    this.#ctx = ggml.ggml_init({ mem_size: bytes, mem_buffer: null, no_alloc: true });
    this.#graph = ggml.ggml_new_graph_custom(this.#ctx, nodes, false);
  }

  /** A tensor that is filled from `data` before the graph runs. */
  input(type: 'f32' | 'i32', data: Float32Array | Int32Array, ne0: number, ne1 = 1): Tensor {
    const tensor: Tensor = this.#ggml.ggml_new_tensor_2d(this.#ctx, TYPE[type], ne0, ne1);
    this.#ggml.ggml_set_input(tensor);
    this.expand(tensor); // a leaf by itself: else one that no node reads has no memory, and writing to it aborts
    this.#inputs.push({ tensor, data });
    return tensor;
  }

  /** Keeps what `tensor` holds until the graph is read. */
  output(tensor: Tensor): Tensor {
    this.#ggml.ggml_set_output(tensor);
    this.expand(tensor);
    return tensor;
  }

  /** Has `tensor` computed, after everything that was expanded before. */
  expand(tensor: Tensor): void {
    this.#ggml.ggml_build_forward_expand(this.#graph, tensor);
  }

  /** Σ over ne0: a [k, m] × b [k, n] → [m, n]; batched over ne2 */
  multiply = (a: Tensor, b: Tensor): Tensor => this.#ggml.ggml_mul_mat(this.#ctx, a, b);
  /**
   * Σ over ne1: a [m, k] × b [n, k] → [m, n]; batched over ne2. On the CPU without a copy of either, and fast where m
   * is the long side; b may be `across` something. Kernels of GPUs are for `multiply`, so there both are turned.
   */
  outer = (a: Tensor, b: Tensor): Tensor =>
    this.#backend.device === 'cpu'
      ? this.#ggml.ggml_out_prod(this.#ctx, a, b)
      : this.multiply(this.transposed(a), this.transposed(b));
  /** [m, n] → [n, m], seen so without a copy: for the right side of `outer` */
  across = (a: Tensor): Tensor => this.#ggml.ggml_transpose(this.#ctx, a);
  add = (a: Tensor, b: Tensor): Tensor => this.#ggml.ggml_add(this.#ctx, a, b);
  /** a += b, where a stays */
  addTo = (a: Tensor, b: Tensor): void => this.expand(this.#ggml.ggml_add_inplace(this.#ctx, a, b));
  subtract = (a: Tensor, b: Tensor): Tensor => this.#ggml.ggml_sub(this.#ctx, a, b);
  /** element by element, b repeated where it is smaller */
  times = (a: Tensor, b: Tensor): Tensor => this.#ggml.ggml_mul(this.#ctx, a, b);
  square = (a: Tensor): Tensor => this.#ggml.ggml_sqr(this.#ctx, a);
  tanh = (a: Tensor): Tensor => this.#ggml.ggml_tanh(this.#ctx, a);
  silu = (a: Tensor): Tensor => this.#ggml.ggml_silu(this.#ctx, a);
  siluBack = (gradient: Tensor, x: Tensor): Tensor => this.#ggml.ggml_silu_back(this.#ctx, gradient, x);
  scale = (a: Tensor, by: number): Tensor => (by === 1 ? a : this.#ggml.ggml_scale(this.#ctx, a, by));
  /** a × scale + bias */
  affine = (a: Tensor, scale: number, bias: number): Tensor =>
    this.#ggml.ggml_scale_bias(this.#ctx, a, scale, bias);
  clamp = (a: Tensor, low: number, high: number): Tensor => this.#ggml.ggml_clamp(this.#ctx, a, low, high);
  log = (a: Tensor): Tensor => this.#ggml.ggml_log(this.#ctx, a);
  sumRows = (a: Tensor): Tensor => this.#ggml.ggml_sum_rows(this.#ctx, a);
  /** [m, n] → [n, m], copied */
  transposed = (a: Tensor): Tensor => this.contiguous(this.#ggml.ggml_transpose(this.#ctx, a));
  contiguous = (a: Tensor): Tensor => this.#ggml.ggml_cont(this.#ctx, a);
  cast = (a: Tensor, type: number): Tensor => this.#ggml.ggml_cast(this.#ctx, a, type);
  copyTo = (target: Tensor, a: Tensor): void => this.expand(this.#ggml.ggml_cpy(this.#ctx, a, target));
  /** [h, a, b] → [h, b, a], copied */
  swapped = (a: Tensor): Tensor => this.contiguous(this.#ggml.ggml_permute(this.#ctx, a, 0, 2, 1, 3));
  concat = (a: Tensor, b: Tensor, dimension: number): Tensor =>
    this.#ggml.ggml_concat(this.#ctx, a, b, dimension);
  rows = (a: Tensor, indices: Tensor): Tensor => this.#ggml.ggml_get_rows(this.#ctx, a, indices);
  shape2 = (a: Tensor, ne0: number, ne1: number): Tensor =>
    this.#ggml.ggml_reshape_2d(this.#ctx, a, ne0, ne1);
  shape3 = (a: Tensor, ne0: number, ne1: number, ne2: number): Tensor =>
    this.#ggml.ggml_reshape_3d(this.#ctx, a, ne0, ne1, ne2);
  /** a part of an f32 tensor; `stride` and `offset` in numbers */
  part2 = (a: Tensor, ne0: number, ne1: number, stride: number, offset: number): Tensor =>
    this.#ggml.ggml_view_2d(this.#ctx, a, ne0, ne1, stride * 4, offset * 4);
  part3 = (a: Tensor, ne: [number, number, number], strides: [number, number], offset: number): Tensor =>
    this.#ggml.ggml_view_3d(this.#ctx, a, ...ne, strides[0] * 4, strides[1] * 4, offset * 4);
  /**
   * part3, for the left side of `multiply`. ggml-vulkan takes it that the matrices of a batch lie next to each other,
   * and is silently wrong where they do not, so on GPUs it is a copy.
   */
  matrices = (a: Tensor, ne: [number, number, number], strides: [number, number], offset: number): Tensor => {
    const part = this.part3(a, ne, strides, offset);
    return this.#backend.device === 'cpu' ? part : this.contiguous(part);
  };
  rmsNorm = (a: Tensor, epsilon: number): Tensor => this.#ggml.ggml_rms_norm(this.#ctx, a, epsilon);
  rmsNormBack = (gradient: Tensor, x: Tensor, epsilon: number): Tensor =>
    this.#ggml.ggml_rms_norm_back(this.#ctx, gradient, x, epsilon);
  softmax = (a: Tensor, mask: Tensor | null, scale: number): Tensor =>
    this.#ggml.ggml_soft_max_ext(this.#ctx, a, mask, scale, 0);
  softmaxBack = (gradient: Tensor, y: Tensor, scale: number): Tensor =>
    this.#ggml.ggml_soft_max_ext_back(this.#ctx, gradient, y, scale, 0);
  rope = (a: Tensor, rope: Rope): Tensor => this.#ggml.ggml_rope_ext(this.#ctx, a, ...ropeArguments(rope));
  ropeBack = (gradient: Tensor, rope: Rope): Tensor =>
    this.#ggml.ggml_rope_ext_back(this.#ctx, gradient, ...ropeArguments(rope));

  /**
   * Gives the tensors memory, fills the inputs and computes everything that was expanded.
   * @throws PersonaError ENGINE_FAILED; UNSUPPORTED where the device lacks an operator, which it names
   */
  compute(allocator: GraphAllocator): void {
    const { handle } = this.#backend;
    const nodes: number = this.#ggml.ggml_graph_n_nodes(this.#graph);
    for (let i = 0; i < nodes; i++) {
      const node: Tensor = this.#ggml.ggml_graph_node(this.#graph, i);
      if (!this.#ggml.ggml_backend_supports_op(handle, node))
        throw new PersonaError(
          'UNSUPPORTED',
          `this device cannot compute ${this.#ggml.ggml_op_desc(node)}, which training needs`,
          { remedy: 'train on the CPU' },
        );
    }
    if (!this.#ggml.ggml_gallocr_alloc_graph(allocator, this.#graph))
      throw new PersonaError('ENGINE_FAILED', 'no memory left for a training pass', MEMORY_REMEDY);
    for (const { tensor, data } of this.#inputs) this.#backend.write(tensor, data);
    this.#backend.compute(this.#graph);
  }

  [Symbol.dispose](): void {
    this.#ggml.ggml_free(this.#ctx);
  }
}

function ropeArguments(rope: Rope): unknown[] {
  return [
    rope.positions,
    rope.factors,
    rope.dimensions,
    rope.mode,
    rope.originalContext,
    rope.base,
    rope.scale,
    ...YARN,
  ];
}
