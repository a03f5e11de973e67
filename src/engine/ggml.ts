/**
 * ggml's own interface, for graphs that are built here: tensors, the operators that training uses, the memory of a
 * graph, and the backend that computes it. Only declarations; what the operators are put together to is in training/.
 *
 * Shapes are in ggml's order, fastest first: `multiply(a[k, m], b[k, n])` is [m, n], a row of the product for each
 * column pair. A failed assertion inside ggml ends the process, so callers check shapes before.
 */

import koffi from 'koffi';
import { PersonaError } from '../errors.ts';
import { DEVICE_TYPES, openNative, view, type Native, type Pointer } from './ffi.ts';

/** A tensor, by its address. */
export type Tensor = Pointer;
/** Memory that holds tensors' descriptions. */
export type Context = Pointer;
export type Graph = Pointer;
export type Backend = Pointer;
export type Buffer = Pointer;
export type GraphAllocator = Pointer;

koffi.struct('ggml_init_params', { mem_size: 'size_t', mem_buffer: 'void *', no_alloc: 'bool' });

const prototypes = {
  ggml_init: 'void *ggml_init(ggml_init_params params)',
  ggml_free: 'void ggml_free(void *ctx)',
  ggml_tensor_overhead: 'size_t ggml_tensor_overhead()',
  ggml_graph_overhead_custom: 'size_t ggml_graph_overhead_custom(size_t size, bool grads)',
  ggml_new_graph_custom: 'void *ggml_new_graph_custom(void *ctx, size_t size, bool grads)',
  ggml_build_forward_expand: 'void ggml_build_forward_expand(void *graph, void *tensor)',
  ggml_graph_n_nodes: 'int ggml_graph_n_nodes(void *graph)',
  ggml_new_tensor_1d: 'void *ggml_new_tensor_1d(void *ctx, int type, int64_t ne0)',
  ggml_new_tensor_2d: 'void *ggml_new_tensor_2d(void *ctx, int type, int64_t ne0, int64_t ne1)',
  ggml_set_input: 'void ggml_set_input(void *tensor)',
  ggml_set_output: 'void ggml_set_output(void *tensor)',
  ggml_nbytes: 'size_t ggml_nbytes(void *tensor)',
  ggml_nelements: 'int64_t ggml_nelements(void *tensor)',
  ggml_quantize_chunk:
    'size_t ggml_quantize_chunk(int type, void *from, void *to, int64_t start, int64_t rows, int64_t row_length, void *importance)',
  ggml_validate_row_data: 'bool ggml_validate_row_data(int type, void *data, size_t bytes)',

  ggml_mul_mat: 'void *ggml_mul_mat(void *ctx, void *a, void *b)',
  ggml_out_prod: 'void *ggml_out_prod(void *ctx, void *a, void *b)',
  ggml_add: 'void *ggml_add(void *ctx, void *a, void *b)',
  ggml_add_inplace: 'void *ggml_add_inplace(void *ctx, void *a, void *b)',
  ggml_sub: 'void *ggml_sub(void *ctx, void *a, void *b)',
  ggml_mul: 'void *ggml_mul(void *ctx, void *a, void *b)',
  ggml_sqr: 'void *ggml_sqr(void *ctx, void *a)',
  ggml_tanh: 'void *ggml_tanh(void *ctx, void *a)',
  ggml_silu: 'void *ggml_silu(void *ctx, void *a)',
  ggml_silu_back: 'void *ggml_silu_back(void *ctx, void *a, void *b)',
  ggml_cont: 'void *ggml_cont(void *ctx, void *a)',
  ggml_cont_2d: 'void *ggml_cont_2d(void *ctx, void *a, int64_t ne0, int64_t ne1)',
  ggml_transpose: 'void *ggml_transpose(void *ctx, void *a)',
  ggml_cast: 'void *ggml_cast(void *ctx, void *a, int type)',
  ggml_cpy: 'void *ggml_cpy(void *ctx, void *a, void *b)',
  ggml_sum_rows: 'void *ggml_sum_rows(void *ctx, void *a)',
  ggml_soft_max: 'void *ggml_soft_max(void *ctx, void *a)',
  ggml_soft_max_inplace: 'void *ggml_soft_max_inplace(void *ctx, void *a)',
  ggml_get_rows: 'void *ggml_get_rows(void *ctx, void *a, void *b)',
  ggml_scale: 'void *ggml_scale(void *ctx, void *a, float s)',
  ggml_scale_bias: 'void *ggml_scale_bias(void *ctx, void *a, float s, float b)',
  ggml_clamp: 'void *ggml_clamp(void *ctx, void *a, float low, float high)',
  ggml_log: 'void *ggml_log(void *ctx, void *a)',
  ggml_concat: 'void *ggml_concat(void *ctx, void *a, void *b, int dimension)',
  ggml_permute: 'void *ggml_permute(void *ctx, void *a, int axis0, int axis1, int axis2, int axis3)',
  ggml_reshape_2d: 'void *ggml_reshape_2d(void *ctx, void *a, int64_t ne0, int64_t ne1)',
  ggml_reshape_3d: 'void *ggml_reshape_3d(void *ctx, void *a, int64_t ne0, int64_t ne1, int64_t ne2)',
  ggml_view_1d: 'void *ggml_view_1d(void *ctx, void *a, int64_t ne0, size_t offset)',
  ggml_view_2d: 'void *ggml_view_2d(void *ctx, void *a, int64_t ne0, int64_t ne1, size_t nb1, size_t offset)',
  ggml_view_3d:
    'void *ggml_view_3d(void *ctx, void *a, int64_t ne0, int64_t ne1, int64_t ne2, size_t nb1, size_t nb2, size_t offset)',
  ggml_rms_norm: 'void *ggml_rms_norm(void *ctx, void *a, float eps)',
  ggml_rms_norm_back: 'void *ggml_rms_norm_back(void *ctx, void *gradient, void *a, float eps)',
  ggml_soft_max_ext: 'void *ggml_soft_max_ext(void *ctx, void *a, void *mask, float scale, float max_bias)',
  ggml_soft_max_ext_back:
    'void *ggml_soft_max_ext_back(void *ctx, void *gradient, void *y, float scale, float max_bias)',
  ggml_rope_ext:
    'void *ggml_rope_ext(void *ctx, void *a, void *positions, void *factors, int n_dims, int mode, int n_ctx_orig, float freq_base, float freq_scale, float ext_factor, float attn_factor, float beta_fast, float beta_slow)',
  ggml_rope_ext_back:
    'void *ggml_rope_ext_back(void *ctx, void *a, void *positions, void *factors, int n_dims, int mode, int n_ctx_orig, float freq_base, float freq_scale, float ext_factor, float attn_factor, float beta_fast, float beta_slow)',

  ggml_gallocr_new: 'void *ggml_gallocr_new(void *buffer_type)',
  ggml_gallocr_free: 'void ggml_gallocr_free(void *allocator)',
  ggml_gallocr_alloc_graph: 'bool ggml_gallocr_alloc_graph(void *allocator, void *graph)',
  ggml_gallocr_get_buffer_size: 'size_t ggml_gallocr_get_buffer_size(void *allocator, int index)',
  ggml_backend_alloc_ctx_tensors: 'void *ggml_backend_alloc_ctx_tensors(void *ctx, void *backend)',
  ggml_backend_buffer_free: 'void ggml_backend_buffer_free(void *buffer)',
  ggml_backend_buffer_is_host: 'bool ggml_backend_buffer_is_host(void *buffer)',
  ggml_backend_buffer_get_size: 'size_t ggml_backend_buffer_get_size(void *buffer)',
  ggml_backend_buffer_clear: 'void ggml_backend_buffer_clear(void *buffer, uint8_t value)',
  ggml_backend_tensor_memset:
    'void ggml_backend_tensor_memset(void *tensor, uint8_t value, size_t offset, size_t size)',
  ggml_backend_free: 'void ggml_backend_free(void *backend)',
  ggml_backend_get_default_buffer_type: 'void *ggml_backend_get_default_buffer_type(void *backend)',
  ggml_backend_graph_compute: 'int ggml_backend_graph_compute(void *backend, void *graph)',
  ggml_backend_supports_op: 'bool ggml_backend_supports_op(void *backend, void *tensor)',
  ggml_graph_node: 'void *ggml_graph_node(void *graph, int index)',
  ggml_op_desc: 'const char *ggml_op_desc(void *tensor)',
  ggml_backend_dev_init: 'void *ggml_backend_dev_init(void *device, const char *params)',
  ggml_backend_dev_backend_reg: 'void *ggml_backend_dev_backend_reg(void *device)',
  ggml_backend_reg_get_proc_address: 'void *ggml_backend_reg_get_proc_address(void *reg, const char *name)',
} as const;

// The C prototypes above are the types.
// oxlint-disable-next-line typescript/no-explicit-any
type NativeFunction = (...args: any[]) => any;

export type Ggml = Record<keyof typeof prototypes, NativeFunction> & {
  native: Native;
  /** threads of a CPU backend */
  setThreads(backend: Backend, threads: number): void;
};

let opened: Ggml | undefined;

const setThreadsPrototype = koffi.proto('void persona_set_n_threads(void *backend, int threads)');

/** ggml's functions. Once per process. @throws PersonaError UNSUPPORTED, as `openNative` */
export function openGgml(onLog?: (text: string, level: number) => void): Ggml {
  if (opened) return opened;
  const native = openNative(onLog);
  const { ggmlBase } = native.libraries;
  const functions = Object.fromEntries(
    Object.entries(prototypes).map(([name, prototype]) => [name, ggmlBase.func(prototype)]),
  ) as unknown as Record<keyof typeof prototypes, NativeFunction>;
  opened = {
    ...functions,
    native,
    setThreads(backend, threads) {
      const device = deviceOf(native, 'cpu');
      const registry = functions.ggml_backend_dev_backend_reg(device);
      const address = functions.ggml_backend_reg_get_proc_address(registry, 'ggml_backend_set_n_threads');
      if (address) koffi.call(address, setThreadsPrototype, backend, threads);
    },
  };
  return opened;
}

/** @throws PersonaError UNSUPPORTED where there is no such device */
export function deviceOf(native: Native, kind: 'cpu' | 'gpu'): Pointer {
  for (let i = 0; i < Number(native.ggml_backend_dev_count()); i++) {
    const device: Pointer = native.ggml_backend_dev_get(i);
    if (DEVICE_TYPES[kind].includes(native.ggml_backend_dev_type(device) as number)) return device;
  }
  throw new PersonaError('UNSUPPORTED', `${native.libraries.source} sees no ${kind.toUpperCase()}`, {
    remedy: kind === 'gpu' ? 'train on the CPU' : 'reinstall the package for this machine',
  });
}

export { view };
