/**
 * A loaded model with its context: the resource that owns native memory. Rows of a batch are set, decoded, and their
 * logits read here; what the rows mean is the scheduler's business.
 */

import { existsSync } from 'node:fs';
import { PersonaError } from '../errors.ts';
import { setAdapters } from './adapters.ts';
import {
  DEVICE_TYPES,
  openNative,
  registerProgressCallback,
  unregister,
  view,
  type Native,
  type Pointer,
} from './ffi.ts';
import { defaultThreads, Pace } from './pace.ts';
import { LAYER_INPUT_ARCHITECTURES } from './layer-input.ts';
import { DEFAULT_CONTEXT, DEFAULT_PARALLEL, type EngineOptions, type ModelInfo } from './request.ts';
import { Sequences } from './sequences.ts';

/** Rows of one decode call: k sequences with consecutive ids × the same number of tokens each, so that llama.cpp
 *  computes them as one graph in the order given. */
export interface Row {
  token: number;
  position: number;
  sequence: number;
  /** compute logits (and the last block) for this row */
  output: boolean;
}

const GGML_TYPE_F32 = 0;
const GGML_TYPE_F16 = 1;
const FLASH_ATTENTION_OFF = 0;

/** More sequences than this are refused by llama.cpp (LLAMA_MAX_SEQ). */
export const MAX_PARALLEL = 256;
/** Far beyond what any model was trained for. */
const MAX_CONTEXT = 2 ** 24;
const MAX_THREADS = 512; // GGML_MAX_N_THREADS
/** Rows of one decode call; more hardly speeds up prefill and makes others wait. */
export const DEFAULT_BATCH = 512;
/** Logits of a row are vocabulary × 4 bytes; a batch puts out as many rows as this, or as there are sequences. */
export const MAX_OUTPUT_ROWS = 128;

export class NativeModel implements Disposable {
  readonly native: Native;
  readonly model: Pointer;
  readonly context: Pointer;
  readonly vocab: Pointer;
  readonly sequences: Sequences;
  readonly info: ModelInfo;
  readonly batchSize: number;
  /** sequences can be cut and copied (not so in recurrent models) */
  readonly divisible: boolean;

  readonly #pace: Pace;
  readonly #outputRows: number;
  #batch: { n_tokens: number } & Record<'token' | 'pos' | 'n_seq_id' | 'seq_id' | 'logits', Pointer>;
  #tokens: Int32Array;
  #positions: Int32Array;
  #sequences: Int32Array[];
  #outputs: Int8Array;
  /** by address: a view costs 8 µs, and V8 takes each for new memory that it has to collect */
  #logits: Map<Pointer, Float32Array> = new Map();
  #piece = new Uint8Array(256);

  /**
   * @param evalCallback address of the callback for graph nodes, with a cookie as its user data
   * @throws PersonaError with llama.cpp's own last words when the file cannot be loaded
   */
  constructor(
    options: EngineOptions,
    evalCallback: { address: Pointer; cookie: Pointer },
    log: { last(): string; progress?: (fraction: number) => void },
  ) {
    checkOptions(options);
    const native = openNative();
    this.native = native;

    const devices: { name: string; description: string; gpu: boolean }[] = [];
    for (let i = 0; i < Number(native.ggml_backend_dev_count()); i++) {
      const device = native.ggml_backend_dev_get(i);
      devices.push({
        name: native.ggml_backend_dev_name(device),
        description: native.ggml_backend_dev_description(device),
        gpu: DEVICE_TYPES.gpu.includes(native.ggml_backend_dev_type(device) as number),
      });
    }
    const gpu = devices.find((device) => device.gpu);
    if (options.gpuLayers && !gpu) {
      throw new PersonaError(
        'UNSUPPORTED',
        `${options.gpuLayers} layers on a GPU were asked for, but ${native.libraries.source} sees none`,
        {
          remedy:
            'install @node-llama-cpp/linux-x64-vulkan or -cuda (3.22.1) beside this package, or leave --gpu-layers out',
        },
      );
    }

    const modelParams = native.llama_model_default_params();
    modelParams.n_gpu_layers = gpu ? (options.gpuLayers ?? -1) : 0;
    const progress = registerProgressCallback((fraction) => {
      log.progress?.(fraction);
      return true;
    });
    modelParams.progress_callback = progress;
    this.model = native.llama_model_load_from_file(options.modelPath, modelParams);
    unregister(progress);
    if (!this.model)
      throw new PersonaError('BAD_FILE', `${options.modelPath}: llama.cpp cannot load it: ${log.last()}`);

    const architecture = this.metadata('general.architecture') ?? 'unknown';
    if (native.llama_model_has_encoder(this.model)) {
      native.llama_model_free(this.model);
      throw new PersonaError(
        'UNSUPPORTED',
        `${options.modelPath}: architecture ${architecture} has an encoder; only decoders are supported`,
      );
    }
    this.vocab = native.llama_model_get_vocab(this.model);
    this.divisible =
      !native.llama_model_is_recurrent(this.model) && !native.llama_model_is_hybrid(this.model);

    const trainContext: number = native.llama_model_n_ctx_train(this.model);
    const parallel = options.parallel ?? DEFAULT_PARALLEL;
    const perRequest = options.context ?? Math.min(DEFAULT_CONTEXT, trainContext);
    this.batchSize = Math.min(options.batch ?? DEFAULT_BATCH, perRequest);

    const contextParams = native.llama_context_default_params();
    contextParams.n_ctx = perRequest * parallel;
    contextParams.n_batch = Math.max(this.batchSize, parallel);
    contextParams.n_ubatch = Math.max(this.batchSize, parallel);
    contextParams.n_seq_max = parallel;
    this.#outputRows = Math.max(MAX_OUTPUT_ROWS, parallel);
    contextParams.n_outputs_max = this.#outputRows;
    const threads = options.threads ?? defaultThreads();
    contextParams.n_threads = threads;
    contextParams.n_threads_batch = threads;
    contextParams.cb_eval = evalCallback.address;
    contextParams.cb_eval_user_data = evalCallback.cookie;
    const cacheType = options.cacheType === 'f32' ? GGML_TYPE_F32 : GGML_TYPE_F16;
    contextParams.type_k = cacheType;
    contextParams.type_v = cacheType;
    // flash attention rounds keys and values to f16 whatever the cache holds
    if (cacheType === GGML_TYPE_F32) contextParams.flash_attn_type = FLASH_ATTENTION_OFF;
    // A buffer per sequence: attention then costs what that sequence is long, not what all are together.
    contextParams.kv_unified = false;
    this.context = native.llama_init_from_model(this.model, contextParams);
    if (!this.context) {
      native.llama_model_free(this.model);
      throw new PersonaError(
        'ENGINE_FAILED',
        `${options.modelPath}: no context of ${parallel} × ${perRequest} tokens: ${log.last()}`,
        {
          remedy: 'lower --parallel or --context',
        },
      );
    }
    try {
      setAdapters(native, this.model, this.context, options.loras ?? [], () => log.last());
    } catch (error) {
      native.llama_free(this.context);
      native.llama_model_free(this.model);
      throw error;
    }
    this.sequences = new Sequences(native, this.context, {
      room: native.llama_n_ctx_seq(this.context),
      onGpu: gpu !== undefined,
    });
    // threads that wait for a GPU use no processor time: nothing can be learned from that
    this.#pace = new Pace(gpu ? 1 : threads, (count) =>
      native.llama_set_n_threads(this.context, count, count),
    );

    const batch = native.llama_batch_init(contextParams.n_batch, 0, 1);
    const rows: number = contextParams.n_batch;
    this.#batch = batch;
    this.#tokens = new Int32Array(view(batch.token, rows * 4));
    this.#positions = new Int32Array(view(batch.pos, rows * 4));
    this.#outputs = new Int8Array(view(batch.logits, rows));
    new Int32Array(view(batch.n_seq_id, rows * 4)).fill(1);
    // seq_id points to one array of one id for each row
    const pointers = new BigInt64Array(view(batch.seq_id, rows * 8));
    this.#sequences = Array.from({ length: rows }, (_, i) => new Int32Array(view(pointers[i]!, 4)));

    const bos: number = native.llama_vocab_bos(this.vocab);
    const eos: number = native.llama_vocab_eos(this.vocab);
    const layers: number = native.llama_model_n_layer(this.model);
    // on a GPU the copies were seen to damage the process's memory
    const usesLayerInput =
      gpu === undefined &&
      options.readVia !== 'callback' &&
      native.set_layer_input !== undefined &&
      LAYER_INPUT_ARCHITECTURES.has(architecture);
    if (options.readVia === 'layer_input' && !usesLayerInput) {
      throw new PersonaError(
        'UNSUPPORTED',
        `${gpu ? 'on a GPU llama.cpp' : `architecture ${architecture}`} does not give out its layer inputs`,
        { remedy: "use readVia 'callback'" },
      );
    }
    const offloaded = gpu
      ? Math.min(modelParams.n_gpu_layers < 0 ? layers + 1 : modelParams.n_gpu_layers, layers + 1)
      : 0;
    this.info = {
      architecture,
      description: this.#description(),
      layers,
      width: native.llama_model_n_embd(this.model),
      vocabulary: native.llama_vocab_n_tokens(this.vocab),
      trainContext,
      context: native.llama_n_ctx(this.context),
      contextPerRequest: native.llama_n_ctx_seq(this.context),
      parallel,
      parameters: Number(native.llama_model_n_params(this.model)),
      sizeBytes: Number(native.llama_model_size(this.model)),
      chatTemplate: native.llama_model_chat_template(this.model, null) ?? undefined,
      bos: bos >= 0 ? native.llama_vocab_get_text(this.vocab, bos) : undefined,
      eos: eos >= 0 ? native.llama_vocab_get_text(this.vocab, eos) : undefined,
      addBos: native.llama_vocab_get_add_bos(this.vocab),
      devices: [
        ...(gpu ? [`${offloaded} of ${layers + 1} layers on ${gpu.name} (${gpu.description})`] : []),
        ...(offloaded <= layers
          ? [`${layers + 1 - offloaded} of ${layers + 1} layers on the CPU, ${threads} threads`]
          : []),
        `libraries from ${native.libraries.source}`,
      ],
      readsVia: usesLayerInput ? 'layer_input' : 'callback',
    };
  }

  metadata(key: string): string | undefined {
    const buffer = new Uint8Array(1024);
    const length: number = this.native.llama_model_meta_val_str(this.model, key, buffer, buffer.length);
    return length < 0
      ? undefined
      : Buffer.from(buffer.subarray(0, Math.min(length, buffer.length - 1))).toString();
  }

  #description(): string {
    const buffer = new Uint8Array(256);
    const length: number = this.native.llama_model_desc(this.model, buffer, buffer.length);
    return Buffer.from(buffer.subarray(0, Math.max(0, Math.min(length, 255)))).toString();
  }

  /** Token ids of a text; nothing is added at its ends. */
  tokenize(text: string, parseSpecial: boolean): number[] {
    const bytes = Buffer.from(text);
    if (bytes.length === 0) return [];
    // never more tokens than bytes, but for a leading-space marker some tokenizers add
    const out = new Int32Array(bytes.length + 8);
    const count: number = this.native.llama_tokenize(
      this.vocab,
      bytes,
      bytes.length,
      out,
      out.length,
      false,
      parseSpecial,
    );
    if (count < 0)
      throw new PersonaError('ENGINE_FAILED', `cannot tokenise a text of ${bytes.length} bytes (${count})`);
    return Array.from(out.subarray(0, count));
  }

  /** The bytes of one token; control tokens have none unless `special`. Valid until the next call. */
  pieceBytes(token: number, special = false): Uint8Array {
    let length: number = this.native.llama_token_to_piece(
      this.vocab,
      token,
      this.#piece,
      this.#piece.length,
      0,
      special,
    );
    if (length < 0) {
      this.#piece = new Uint8Array(-length);
      length = this.native.llama_token_to_piece(
        this.vocab,
        token,
        this.#piece,
        this.#piece.length,
        0,
        special,
      );
    }
    return this.#piece.subarray(0, Math.max(0, length));
  }

  /** @throws PersonaError USAGE for one that the vocabulary does not have (the native code would abort) */
  checkTokens(field: string, tokens: readonly number[]): void {
    const { vocabulary } = this.info;
    tokens.forEach((token, i) => {
      if (Number.isInteger(token) && token >= 0 && token < vocabulary) return;
      throw new PersonaError('USAGE', `${field}[${i}]: no token ${token} in a vocabulary of ${vocabulary}`);
    });
  }

  text(tokens: readonly number[]): string {
    return Buffer.concat(tokens.map((token) => Buffer.from(this.pieceBytes(token)))).toString();
  }

  endsGeneration(token: number): boolean {
    return this.native.llama_vocab_is_eog(this.vocab, token);
  }

  /**
   * Runs one graph over the rows.
   * @throws PersonaError CONTEXT_FULL where the cache has no room, ENGINE_FAILED otherwise
   */
  decode(rows: readonly Row[]): void {
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i]!;
      this.#tokens[i] = row.token;
      this.#positions[i] = row.position;
      this.#sequences[i]![0] = row.sequence;
      this.#outputs[i] = row.output ? 1 : 0;
    }
    this.#batch.n_tokens = rows.length;
    this.sequences.settle();
    let status = 0;
    this.#pace.run(() => {
      status = this.native.llama_decode(this.context, this.#batch) as number;
    });
    if (status === 0) return;
    if (status === 1)
      throw new PersonaError('CONTEXT_FULL', `no room in the context for ${rows.length} more tokens`);
    throw new PersonaError('ENGINE_FAILED', `llama_decode failed with ${status}`);
  }

  /** Logits of a row with `output`, (vocabulary), a view that the next decode overwrites. */
  logits(row: number): Float32Array {
    const pointer: Pointer = this.native.llama_get_logits_ith(this.context, row);
    if (!pointer) throw new PersonaError('ENGINE_FAILED', `row ${row} has no logits`);
    let logits = this.#logits.get(pointer);
    if (!logits) {
      if (this.#logits.size >= this.#outputRows) this.#logits.clear(); // the buffer has moved
      logits = new Float32Array(view(pointer, this.info.vocabulary * 4));
      this.#logits.set(pointer, logits);
    }
    return logits;
  }

  /** llama.cpp's own control vector, for the whole context; null clears. @param data (layers − 1 × d), from block 1 on */
  setControlVector(data: Float32Array | null, firstLayer: number, lastLayer: number): void {
    const { layers, width } = this.info;
    if (data && data.length !== (layers - 1) * width)
      throw new PersonaError(
        'BAD_VECTOR',
        `${data.length} values for ${layers - 1} layers of width ${width}`,
      );
    const status: number = this.native.llama_set_adapter_cvec(
      this.context,
      data,
      data?.length ?? 0,
      width,
      firstLayer,
      lastLayer,
    );
    if (status !== 0) throw new PersonaError('ENGINE_FAILED', `llama_set_adapter_cvec failed with ${status}`);
  }

  [Symbol.dispose](): void {
    this.native.llama_batch_free(this.#batch);
    this.native.llama_free(this.context);
    this.native.llama_model_free(this.model);
  }
}

/** @throws PersonaError NOT_FOUND, USAGE */
function checkOptions(options: EngineOptions): void {
  if (!existsSync(options.modelPath))
    throw new PersonaError('NOT_FOUND', `${options.modelPath}: no such file`);
  const whole = (name: string, value: number | undefined, most: number): void => {
    if (value === undefined || (Number.isInteger(value) && value >= 1 && value <= most)) return;
    throw new PersonaError('USAGE', `${name} must be a whole number, 1 … ${most}; got ${value}`);
  };
  whole('parallel', options.parallel, MAX_PARALLEL);
  whole('context', options.context, MAX_CONTEXT);
  whole('batch', options.batch, MAX_CONTEXT);
  whole('threads', options.threads, MAX_THREADS);
}
