/**
 * ggml's own interface, for graphs that are built here: tensors, the operators that training uses, the memory of a
 * graph, and the backend that computes it. Only declarations; what the operators are put together to is in training/.
 *
 * Shapes are in ggml's order, fastest first: `multiply(a[k, m], b[k, n])` is [m, n], a row of the product for each
 * column pair. A failed assertion inside ggml ends the process, so callers check shapes before.
 */

import koffi from 'koffi';
import { PersonaError } from '../errors.ts';
import { openNative, view, type Native, type Pointer } from './ffi.ts';

/** A tensor, by its address. */
export type Tensor = Pointer;
/** Memory that holds tensors' descriptions. */
export type Context = Pointer;
export type Graph = Pointer;
export type Backend = Pointer;
export type Buffer = Pointer;
export type GraphAllocator = Pointer;

koffi.struct('ggml_init_params', { mem_size: 'size_t', mem_buffer: 'void *', no_alloc: 'bool' });

const T = 'void *';
const unary = (name: string): string => `${T} ${name}(${T} ctx, ${T} a)`;
const binary = (name: string): string => `${T} ${name}(${T} ctx, ${T} a, ${T} b)`;
const rope = (name: string): string =>
  `${T} ${name}(${T} ctx, ${T} a, ${T} positions, ${T} factors, int n_dims, int mode, int n_ctx_orig, float freq_base, float freq_scale, float ext_factor, float attn_factor, float beta_fast, float beta_slow)`;

const prototypes = {
  ggml_init: `${T} ggml_init(ggml_init_params params)`,
  ggml_free: `void ggml_free(${T} ctx)`,
  ggml_tensor_overhead: 'size_t ggml_tensor_overhead()',
  ggml_graph_overhead_custom: 'size_t ggml_graph_overhead_custom(size_t size, bool grads)',
  ggml_new_graph_custom: `${T} ggml_new_graph_custom(${T} ctx, size_t size, bool grads)`,
  ggml_build_forward_expand: `void ggml_build_forward_expand(${T} graph, ${T} tensor)`,
  ggml_graph_n_nodes: `int ggml_graph_n_nodes(${T} graph)`,
  ggml_new_tensor_1d: `${T} ggml_new_tensor_1d(${T} ctx, int type, int64_t ne0)`,
  ggml_new_tensor_2d: `${T} ggml_new_tensor_2d(${T} ctx, int type, int64_t ne0, int64_t ne1)`,
  ggml_set_input: `void ggml_set_input(${T} tensor)`,
  ggml_set_output: `void ggml_set_output(${T} tensor)`,
  ggml_nbytes: `size_t ggml_nbytes(${T} tensor)`,
  ggml_nelements: `int64_t ggml_nelements(${T} tensor)`,
  ggml_quantize_chunk: `size_t ggml_quantize_chunk(int type, ${T} from, ${T} to, int64_t start, int64_t rows, int64_t row_length, ${T} importance)`,
  ggml_validate_row_data: `bool ggml_validate_row_data(int type, ${T} data, size_t bytes)`,

  ggml_mul_mat: binary('ggml_mul_mat'),
  ggml_add: binary('ggml_add'),
  ggml_add_inplace: binary('ggml_add_inplace'),
  ggml_sub: binary('ggml_sub'),
  ggml_mul: binary('ggml_mul'),
  ggml_sqr: unary('ggml_sqr'),
  ggml_tanh: unary('ggml_tanh'),
  ggml_silu: unary('ggml_silu'),
  ggml_silu_back: binary('ggml_silu_back'),
  ggml_cont: unary('ggml_cont'),
  ggml_cont_2d: `${T} ggml_cont_2d(${T} ctx, ${T} a, int64_t ne0, int64_t ne1)`,
  ggml_transpose: unary('ggml_transpose'),
  ggml_cast: `${T} ggml_cast(${T} ctx, ${T} a, int type)`,
  ggml_cpy: binary('ggml_cpy'),
  ggml_sum_rows: unary('ggml_sum_rows'),
  ggml_soft_max: unary('ggml_soft_max'),
  ggml_soft_max_inplace: unary('ggml_soft_max_inplace'),
  ggml_get_rows: binary('ggml_get_rows'),
  ggml_scale: `${T} ggml_scale(${T} ctx, ${T} a, float s)`,
  ggml_scale_bias: `${T} ggml_scale_bias(${T} ctx, ${T} a, float s, float b)`,
  ggml_clamp: `${T} ggml_clamp(${T} ctx, ${T} a, float low, float high)`,
  ggml_log: unary('ggml_log'),
  ggml_concat: `${T} ggml_concat(${T} ctx, ${T} a, ${T} b, int dimension)`,
  ggml_permute: `${T} ggml_permute(${T} ctx, ${T} a, int axis0, int axis1, int axis2, int axis3)`,
  ggml_reshape_2d: `${T} ggml_reshape_2d(${T} ctx, ${T} a, int64_t ne0, int64_t ne1)`,
  ggml_reshape_3d: `${T} ggml_reshape_3d(${T} ctx, ${T} a, int64_t ne0, int64_t ne1, int64_t ne2)`,
  ggml_view_1d: `${T} ggml_view_1d(${T} ctx, ${T} a, int64_t ne0, size_t offset)`,
  ggml_view_2d: `${T} ggml_view_2d(${T} ctx, ${T} a, int64_t ne0, int64_t ne1, size_t nb1, size_t offset)`,
  ggml_view_3d: `${T} ggml_view_3d(${T} ctx, ${T} a, int64_t ne0, int64_t ne1, int64_t ne2, size_t nb1, size_t nb2, size_t offset)`,
  ggml_rms_norm: `${T} ggml_rms_norm(${T} ctx, ${T} a, float eps)`,
  ggml_rms_norm_back: `${T} ggml_rms_norm_back(${T} ctx, ${T} gradient, ${T} a, float eps)`,
  ggml_soft_max_ext: `${T} ggml_soft_max_ext(${T} ctx, ${T} a, ${T} mask, float scale, float max_bias)`,
  ggml_soft_max_ext_back: `${T} ggml_soft_max_ext_back(${T} ctx, ${T} gradient, ${T} y, float scale, float max_bias)`,
  ggml_rope_ext: rope('ggml_rope_ext'),
  ggml_rope_ext_back: rope('ggml_rope_ext_back'),

  ggml_gallocr_new: `${T} ggml_gallocr_new(${T} buffer_type)`,
  ggml_gallocr_free: `void ggml_gallocr_free(${T} allocator)`,
  ggml_gallocr_alloc_graph: `bool ggml_gallocr_alloc_graph(${T} allocator, ${T} graph)`,
  ggml_gallocr_get_buffer_size: `size_t ggml_gallocr_get_buffer_size(${T} allocator, int index)`,
  ggml_backend_alloc_ctx_tensors: `${T} ggml_backend_alloc_ctx_tensors(${T} ctx, ${T} backend)`,
  ggml_backend_buffer_free: `void ggml_backend_buffer_free(${T} buffer)`,
  ggml_backend_buffer_is_host: `bool ggml_backend_buffer_is_host(${T} buffer)`,
  ggml_backend_buffer_get_size: `size_t ggml_backend_buffer_get_size(${T} buffer)`,
  ggml_backend_buffer_clear: `void ggml_backend_buffer_clear(${T} buffer, uint8_t value)`,
  ggml_backend_tensor_memset: `void ggml_backend_tensor_memset(${T} tensor, uint8_t value, size_t offset, size_t size)`,
  ggml_backend_free: `void ggml_backend_free(${T} backend)`,
  ggml_backend_get_default_buffer_type: `${T} ggml_backend_get_default_buffer_type(${T} backend)`,
  ggml_backend_graph_compute: `int ggml_backend_graph_compute(${T} backend, ${T} graph)`,
  ggml_backend_supports_op: `bool ggml_backend_supports_op(${T} backend, ${T} tensor)`,
  ggml_graph_node: `${T} ggml_graph_node(${T} graph, int index)`,
  ggml_op_desc: `const char *ggml_op_desc(${T} tensor)`,
  ggml_backend_dev_init: `${T} ggml_backend_dev_init(${T} device, const char *params)`,
  ggml_backend_dev_backend_reg: `${T} ggml_backend_dev_backend_reg(${T} device)`,
  ggml_backend_reg_get_proc_address: `${T} ggml_backend_reg_get_proc_address(${T} reg, const char *name)`,
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

const setThreadsPrototype = koffi.proto(`void persona_set_n_threads(${T} backend, int threads)`);

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

const CPU_DEVICE = 0; // GGML_BACKEND_DEVICE_TYPE_CPU

/** @throws PersonaError UNSUPPORTED where there is no such device */
export function deviceOf(native: Native, kind: 'cpu' | 'gpu'): Pointer {
  for (let i = 0; i < Number(native.ggml_backend_dev_count()); i++) {
    const device: Pointer = native.ggml_backend_dev_get(i);
    if ((native.ggml_backend_dev_type(device) === CPU_DEVICE) === (kind === 'cpu')) return device;
  }
  throw new PersonaError('UNSUPPORTED', `${native.libraries.source} sees no ${kind.toUpperCase()}`, {
    remedy: kind === 'gpu' ? 'train on the CPU' : 'reinstall the package for this machine',
  });
}

export { view };
