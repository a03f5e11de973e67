/**
 * llama.cpp's C interface, declared once. The layouts belong to release LLAMA_VERSION; `openNative` checks at load
 * that the library is that release and that its defaults read back sane, so that a wrong layout cannot go unnoticed.
 */

import koffi from 'koffi';
import { PersonaError } from '../errors.ts';
import { LLAMA_VERSION, loadLibraries, type Libraries } from './library.ts';

/** An address in native memory. */
export type Pointer = bigint;

koffi.struct('llama_model_params', {
  devices: 'void *',
  tensor_buft_overrides: 'void *',
  n_gpu_layers: 'int32_t',
  split_mode: 'int32_t',
  load_mode: 'int32_t',
  lazy_mode: 'int32_t',
  main_gpu: 'int32_t',
  tensor_split: 'void *',
  progress_callback: 'void *',
  progress_callback_user_data: 'void *',
  kv_overrides: 'void *',
  vocab_only: 'bool',
  check_tensors: 'bool',
  use_extra_bufts: 'bool',
  no_host: 'bool',
  no_alloc: 'bool',
  load_mtp: 'bool',
});

koffi.struct('llama_context_params', {
  n_ctx: 'uint32_t',
  n_batch: 'uint32_t',
  n_ubatch: 'uint32_t',
  n_seq_max: 'uint32_t',
  n_rs_seq: 'uint32_t',
  n_outputs_max: 'uint32_t',
  n_outputs_max_per_seq: 'uint32_t',
  n_threads: 'int32_t',
  n_threads_batch: 'int32_t',
  ctx_type: 'int32_t',
  rope_scaling_type: 'int32_t',
  pooling_type: 'int32_t',
  attention_type: 'int32_t',
  flash_attn_type: 'int32_t',
  rope_freq_base: 'float',
  rope_freq_scale: 'float',
  yarn_ext_factor: 'float',
  yarn_attn_factor: 'float',
  yarn_beta_fast: 'float',
  yarn_beta_slow: 'float',
  yarn_orig_ctx: 'uint32_t',
  defrag_thold: 'float',
  cb_eval: 'void *',
  cb_eval_user_data: 'void *',
  type_k: 'int32_t',
  type_v: 'int32_t',
  abort_callback: 'void *',
  abort_callback_data: 'void *',
  embeddings: 'bool',
  offload_kqv: 'bool',
  no_perf: 'bool',
  op_offload: 'bool',
  swa_full: 'bool',
  kv_unified: 'bool',
  samplers: 'void *',
  n_samplers: 'size_t',
  ctx_other: 'void *',
});

koffi.struct('llama_batch', {
  n_tokens: 'int32_t',
  token: 'void *',
  embd: 'void *',
  pos: 'void *',
  n_seq_id: 'void *',
  seq_id: 'void *',
  logits: 'void *',
});

koffi.struct('llama_sampler_chain_params', { no_perf: 'bool' });

koffi.struct('llama_model_quantize_params', {
  nthread: 'int32_t',
  ftype: 'int32_t',
  output_tensor_type: 'int32_t',
  token_embedding_type: 'int32_t',
  allow_requantize: 'bool',
  quantize_output_tensor: 'bool',
  only_copy: 'bool',
  pure: 'bool',
  keep_split: 'bool',
  dry_run: 'bool',
  imatrix: 'void *',
  kv_overrides: 'void *',
  tt_overrides: 'void *',
  prune_layers: 'void *',
  max_buf_size: 'size_t',
});

// ggml_backend_sched_eval_callback(tensor, ask, user_data); the third argument is not declared: the C convention
// lets a callee ignore trailing arguments, and two are cheaper to convert than three.
const evalCallback = koffi.proto('bool persona_eval_callback(uint64_t tensor, bool ask)');
const logCallback = koffi.proto('void persona_log_callback(int level, const char *text, void *user_data)');
const progressCallback = koffi.proto('bool persona_progress_callback(float progress, void *user_data)');

/** The fields of ggml_tensor that are read, by byte offset. */
export const TENSOR = { type: 0, ne: 16, nb: 48, data: 248, name: 256, nameLength: 64 } as const;

const llamaFunctions = {
  llama_version: 'const char *llama_version()',
  llama_backend_init: 'void llama_backend_init()',
  llama_log_set: 'void llama_log_set(void *callback, void *user_data)',
  llama_print_system_info: 'const char *llama_print_system_info()',
  llama_supports_gpu_offload: 'bool llama_supports_gpu_offload()',
  llama_model_default_params: 'llama_model_params llama_model_default_params()',
  llama_context_default_params: 'llama_context_params llama_context_default_params()',
  llama_model_quantize_default_params: 'llama_model_quantize_params llama_model_quantize_default_params()',
  llama_model_load_from_file: 'void *llama_model_load_from_file(const char *path, llama_model_params params)',
  llama_model_free: 'void llama_model_free(void *model)',
  llama_init_from_model: 'void *llama_init_from_model(void *model, llama_context_params params)',
  llama_free: 'void llama_free(void *ctx)',
  llama_set_n_threads: 'void llama_set_n_threads(void *ctx, int32_t threads, int32_t batch_threads)',
  llama_n_ctx: 'uint32_t llama_n_ctx(void *ctx)',
  llama_n_ctx_seq: 'uint32_t llama_n_ctx_seq(void *ctx)',
  llama_get_memory: 'void *llama_get_memory(void *ctx)',
  llama_memory_seq_rm: 'bool llama_memory_seq_rm(void *memory, int32_t seq, int32_t p0, int32_t p1)',
  llama_memory_seq_cp:
    'void llama_memory_seq_cp(void *memory, int32_t from, int32_t to, int32_t p0, int32_t p1)',
  llama_state_seq_get_size: 'size_t llama_state_seq_get_size(void *ctx, int32_t seq)',
  llama_state_seq_get_data:
    'size_t llama_state_seq_get_data(void *ctx, _Out_ uint8_t *buffer, size_t size, int32_t seq)',
  llama_state_seq_set_data:
    'size_t llama_state_seq_set_data(void *ctx, const uint8_t *buffer, size_t size, int32_t seq)',
  llama_memory_seq_pos_max: 'int32_t llama_memory_seq_pos_max(void *memory, int32_t seq)',
  llama_memory_clear: 'void llama_memory_clear(void *memory, bool data)',
  llama_model_get_vocab: 'void *llama_model_get_vocab(void *model)',
  llama_model_n_ctx_train: 'int32_t llama_model_n_ctx_train(void *model)',
  llama_model_n_embd: 'int32_t llama_model_n_embd(void *model)',
  llama_model_n_layer: 'int32_t llama_model_n_layer(void *model)',
  llama_model_desc: 'int32_t llama_model_desc(void *model, _Out_ uint8_t *buffer, size_t size)',
  llama_model_size: 'uint64_t llama_model_size(void *model)',
  llama_model_n_params: 'uint64_t llama_model_n_params(void *model)',
  llama_model_has_encoder: 'bool llama_model_has_encoder(void *model)',
  llama_model_is_recurrent: 'bool llama_model_is_recurrent(void *model)',
  llama_model_is_hybrid: 'bool llama_model_is_hybrid(void *model)',
  llama_model_chat_template: 'const char *llama_model_chat_template(void *model, const char *name)',
  llama_model_meta_val_str:
    'int32_t llama_model_meta_val_str(void *model, const char *key, _Out_ uint8_t *buffer, size_t size)',
  llama_model_quantize:
    'uint32_t llama_model_quantize(const char *source, const char *target, const llama_model_quantize_params *params)',
  llama_vocab_n_tokens: 'int32_t llama_vocab_n_tokens(void *vocab)',
  llama_vocab_is_eog: 'bool llama_vocab_is_eog(void *vocab, int32_t token)',
  llama_vocab_bos: 'int32_t llama_vocab_bos(void *vocab)',
  llama_vocab_eos: 'int32_t llama_vocab_eos(void *vocab)',
  llama_vocab_get_text: 'const char *llama_vocab_get_text(void *vocab, int32_t token)',
  llama_vocab_get_add_bos: 'bool llama_vocab_get_add_bos(void *vocab)',
  llama_tokenize:
    'int32_t llama_tokenize(void *vocab, const uint8_t *text, int32_t length, _Out_ int32_t *tokens, int32_t capacity, bool add_special, bool parse_special)',
  llama_token_to_piece:
    'int32_t llama_token_to_piece(void *vocab, int32_t token, _Out_ uint8_t *buffer, int32_t length, int32_t lstrip, bool special)',
  llama_batch_init: 'llama_batch llama_batch_init(int32_t n_tokens, int32_t embd, int32_t n_seq_max)',
  llama_batch_free: 'void llama_batch_free(llama_batch batch)',
  llama_decode: 'int32_t llama_decode(void *ctx, llama_batch batch)',
  llama_get_logits_ith: 'void *llama_get_logits_ith(void *ctx, int32_t i)',
  // for the bare loop that benchmarks compare with; answers are drawn in sampler.ts
  llama_sampler_chain_default_params: 'llama_sampler_chain_params llama_sampler_chain_default_params()',
  llama_sampler_chain_init: 'void *llama_sampler_chain_init(llama_sampler_chain_params params)',
  llama_sampler_chain_add: 'void llama_sampler_chain_add(void *chain, void *sampler)',
  llama_sampler_free: 'void llama_sampler_free(void *sampler)',
  llama_sampler_init_grammar:
    'void *llama_sampler_init_grammar(const void *vocab, const char *grammar, const char *root)',
  llama_sampler_init_greedy: 'void *llama_sampler_init_greedy()',
  llama_sampler_init_dist: 'void *llama_sampler_init_dist(uint32_t seed)',
  llama_sampler_init_top_k: 'void *llama_sampler_init_top_k(int32_t k)',
  llama_sampler_init_top_p: 'void *llama_sampler_init_top_p(float p, size_t min_keep)',
  llama_sampler_init_min_p: 'void *llama_sampler_init_min_p(float p, size_t min_keep)',
  llama_sampler_init_temp: 'void *llama_sampler_init_temp(float t)',
  llama_sampler_init_penalties:
    'void *llama_sampler_init_penalties(int32_t n_vocab, int32_t last, float repeat, float frequency, float presence)',
  llama_sampler_sample: 'int32_t llama_sampler_sample(void *sampler, void *ctx, int32_t i)',
  llama_adapter_lora_init: 'void *llama_adapter_lora_init(void *model, const char *path)',
  llama_set_adapters_lora:
    'int32_t llama_set_adapters_lora(void *ctx, void **adapters, size_t count, const float *scales)',
  llama_set_adapter_cvec:
    'int32_t llama_set_adapter_cvec(void *ctx, const float *data, size_t length, int32_t n_embd, int32_t il_start, int32_t il_end)',
} as const;

// C++ symbols of llama-ext.h (a staging interface; the pinned release has them)
const extensionFunctions = {
  set_layer_input:
    'void _Z30llama_set_embeddings_layer_inpP13llama_contextjb(void *ctx, uint32_t layer, bool value)',
  get_layer_input: 'void *_Z30llama_get_embeddings_layer_inpP13llama_contextj(void *ctx, uint32_t layer)',
} as const;

const ggmlFunctions = {
  ggml_abort: 'void ggml_abort(const char *file, int line, const char *message)',
  ggml_backend_tensor_get:
    'void ggml_backend_tensor_get(uint64_t tensor, _Out_ void *data, size_t offset, size_t size)',
  ggml_backend_tensor_set:
    'void ggml_backend_tensor_set(uint64_t tensor, const void *data, size_t offset, size_t size)',
} as const;

const backendFunctions = {
  ggml_backend_load_all_from_path: 'void ggml_backend_load_all_from_path(const char *folder)',
  ggml_backend_dev_count: 'size_t ggml_backend_dev_count()',
  ggml_backend_dev_get: 'void *ggml_backend_dev_get(size_t index)',
} as const;

/** GGML_BACKEND_DEVICE_TYPE_CPU; _GPU and _IGPU. (An accelerator beside the CPU, as for BLAS, is neither.) */
export const DEVICE_TYPES: Readonly<Record<'cpu' | 'gpu', readonly number[]>> = { cpu: [0], gpu: [1, 2] };

const deviceFunctions = {
  ggml_backend_dev_name: 'const char *ggml_backend_dev_name(void *device)',
  ggml_backend_dev_description: 'const char *ggml_backend_dev_description(void *device)',
  ggml_backend_dev_type: 'int ggml_backend_dev_type(void *device)',
} as const;

// The C prototypes above are the types.
// oxlint-disable-next-line typescript/no-explicit-any
type NativeFunction = (...args: any[]) => any;

type Declared =
  | keyof typeof llamaFunctions
  | keyof typeof extensionFunctions
  | keyof typeof ggmlFunctions
  | keyof typeof backendFunctions
  | keyof typeof deviceFunctions;

/** Missing where the compiler spells C++ names otherwise (Windows). */
type Extension = keyof typeof extensionFunctions;

export type Native = Record<Exclude<Declared, Extension>, NativeFunction> &
  Partial<Record<Extension, NativeFunction>> & { libraries: Libraries };

let opened: Native | undefined;

function ifThere<T extends object>(declare: () => T): T | object {
  try {
    return declare();
  } catch {
    return {}; // the tap reads instead
  }
}

/**
 * The C functions, with compute backends loaded and logging routed to `onLog`. Once per process.
 * @throws PersonaError UNSUPPORTED where no library fits, or it is not the release that the layouts belong to
 */
export function openNative(onLog: (text: string, level: number) => void = () => {}): Native {
  if (opened) return opened;
  const libraries = loadLibraries();
  const { llama, ggml, ggmlBase } = libraries;
  const declare = (
    library: typeof llama,
    prototypes: Record<string, string>,
  ): Record<string, NativeFunction> =>
    Object.fromEntries(
      Object.entries(prototypes).map(([name, prototype]) => [name, library.func(prototype)]),
    );
  const native = {
    ...declare(llama, llamaFunctions),
    ...ifThere(() => declare(llama, extensionFunctions)),
    ...declare(ggmlBase, ggmlFunctions),
    ...declare(ggml, backendFunctions),
    ...declare(ggmlBase, deviceFunctions),
    libraries,
  } as Native;
  // A null callback would print; this one lives as long as the process.
  const log = koffi.register((level: number, text: string) => onLog(text, level), koffi.pointer(logCallback));
  native.llama_log_set(log, null);
  checkLayouts(native);
  native.ggml_backend_load_all_from_path(libraries.folder);
  native.llama_backend_init();
  opened = native;
  return native;
}

/** Defaults at the end of each struct: a layout that is off by one field shows here. */
function checkLayouts(native: Native): void {
  const model = native.llama_model_default_params();
  const context = native.llama_context_default_params();
  const quantize = native.llama_model_quantize_default_params();
  const version = String(native.llama_version());
  const sane =
    model.n_gpu_layers === -1 &&
    model.use_extra_bufts === true &&
    model.load_mtp === false &&
    context.n_ctx === 512 &&
    context.type_v === 1 &&
    context.swa_full === true &&
    context.kv_unified === false &&
    Number(context.n_samplers) === 0 &&
    quantize.ftype === 7 &&
    quantize.quantize_output_tensor === true &&
    Number(quantize.max_buf_size) > 0;
  if (sane && version.replace(/^v/, '').startsWith(LLAMA_VERSION)) return;
  throw new PersonaError(
    'UNSUPPORTED',
    `${native.libraries.source} holds llama.cpp ${version}; this package speaks ${LLAMA_VERSION}`,
    {
      remedy: 'install version 3.22.1 of the @node-llama-cpp package',
    },
  );
}

/** A callback for `cb_eval`; unregister with `koffi.unregister`. */
export function registerEvalCallback(callback: (tensor: number, ask: boolean) => boolean): Pointer {
  return koffi.register(callback, koffi.pointer(evalCallback));
}

export function registerProgressCallback(callback: (progress: number) => boolean): Pointer {
  return koffi.register(callback, koffi.pointer(progressCallback));
}

export function unregister(callback: Pointer): void {
  koffi.unregister(callback);
}

/** Native memory as an ArrayBuffer, without a copy. Valid while the owner keeps the memory. */
export function view(pointer: Pointer | number, bytes: number): ArrayBuffer {
  return koffi.view(pointer, bytes);
}
