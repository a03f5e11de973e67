/**
 * The engine as the rest of the product sees it: a model in a process of its own that answers requests, many at once.
 * A native abort kills that process only: requests in flight fail with ENGINE_CRASHED, and the next request starts it
 * again.
 */

import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { PersonaError } from '../errors.ts';
import { verifyDirection, verifyModel, type CanaryReport } from './canary.ts';
import type { FromEngine, ToEngine } from './protocol.ts';
import type { EngineOptions, EngineRequest, EngineResult, ModelInfo, TokenEvent } from './request.ts';

export interface RunOptions {
  signal?: AbortSignal;
  onEvents?: (events: TokenEvent[]) => void;
}

export interface OpenOptions extends EngineOptions {
  /** Skips the proof that edits reach the model; for the proof's own requests and for tools that only read. @default true */
  canary?: boolean;
  onLoadProgress?: (fraction: number) => void;
}

interface Pending {
  resolve: (message: FromEngine) => void;
  reject: (error: unknown) => void;
  onEvents: ((events: TokenEvent[]) => void) | undefined;
}

/** Native error output kept for the message of a crash. */
const KEPT_LOG = 2000;

const workerPath = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url),
);

export class Engine implements AsyncDisposable {
  readonly options: OpenOptions;
  /** of the canary on load; undefined when it was skipped */
  canary: CanaryReport | undefined;

  #info: ModelInfo | undefined;
  #child: ChildProcess | undefined;
  #starting: Promise<ModelInfo> | undefined;
  #pending: Map<number, Pending> = new Map();
  #nextId = 1;
  #log = '';
  #closed = false;
  #verified: Map<string, Promise<void>> = new Map();

  constructor(options: OpenOptions) {
    this.options = options;
  }

  get info(): ModelInfo {
    return this.#info!;
  }

  /** pid of the engine process, while it runs */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Loads the model, if it is not. */
  async start(): Promise<ModelInfo> {
    if (this.#closed) throw new PersonaError('ABORTED', 'the engine is closed');
    this.#starting ??= this.#spawn().catch((error: unknown) => {
      this.#starting = undefined;
      throw error;
    });
    return this.#starting;
  }

  async #spawn(): Promise<ModelInfo> {
    const child = fork(workerPath, [], {
      serialization: 'advanced',
      stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
      execArgv: [],
    });
    this.#child = child;
    this.#log = '';
    child.stderr!.on(
      'data',
      (chunk: Buffer) => (this.#log = (this.#log + chunk.toString()).slice(-KEPT_LOG)),
    );
    const { onLoadProgress, canary, ...options } = this.options;
    const info = await new Promise<ModelInfo>((resolve, reject) => {
      child.on('message', (message: FromEngine) => {
        if (message.type === 'loaded') resolve(message.info);
        else if (message.type === 'progress') onLoadProgress?.(message.fraction);
        else if (message.type === 'failed' && message.id === undefined) reject(toError(message));
        else this.#receive(message);
      });
      child.on('error', (error) =>
        reject(
          new PersonaError('ENGINE_CRASHED', `cannot start the engine process: ${error.message}`, {
            cause: error,
          }),
        ),
      );
      child.on('close', (code, signal) => {
        const crash = this.#crash(code, signal);
        reject(crash);
        if (this.#child === child) this.#gone(crash);
      });
      this.#send({ type: 'load', options });
    });
    this.#info = info;
    if (canary !== false && this.canary === undefined) this.canary = await verifyModel(this);
    return info;
  }

  #crash(code: number | null, signal: string | null): PersonaError {
    const words = this.#log.trim().split('\n').slice(-3).join('; ');
    const how = signal ? `was ended by ${signal}` : `exited with ${code}`;
    return new PersonaError('ENGINE_CRASHED', `the engine process ${how}${words ? `: ${words}` : ''}`, {
      remedy: 'the next request starts it again',
    });
  }

  #gone(error: PersonaError): void {
    this.#child = undefined;
    this.#starting = undefined;
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const { reject } of pending) reject(error);
  }

  #send(message: ToEngine): void {
    // a send that fails is followed by the child's close event, which fails what is pending
    this.#child?.send(message, () => {});
  }

  #receive(message: FromEngine): void {
    if (message.type === 'events') {
      for (const batch of message.batches) this.#pending.get(batch.id)?.onEvents?.(batch.events);
      return;
    }
    if (!('id' in message) || message.id === undefined) return;
    const pending = this.#pending.get(message.id);
    this.#pending.delete(message.id);
    if (message.type === 'failed') pending?.reject(toError(message));
    else pending?.resolve(message);
  }

  async #ask<T extends FromEngine['type']>(
    make: (id: number) => ToEngine,
    onEvents?: (events: TokenEvent[]) => void,
    signal?: AbortSignal,
  ): Promise<Extract<FromEngine, { type: T }>> {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        if (!this.#pending.delete(id)) return;
        this.#send({ type: 'abort', id });
        reject(new PersonaError('ABORTED', 'the request was aborted', { cause: signal?.reason }));
      };
      const settle =
        <V>(deliver: (value: V) => void) =>
        (value: V): void => {
          signal?.removeEventListener('abort', abort);
          deliver(value);
        };
      this.#pending.set(id, {
        resolve: settle(resolve as (message: FromEngine) => void),
        reject: settle(reject),
        onEvents,
      });
      signal?.addEventListener('abort', abort, { once: true });
      this.#send(make(id));
    });
  }

  /**
   * Runs one request; call it many times without waiting and they are batched together.
   * @throws PersonaError ABORTED, ENGINE_CRASHED, CANARY (an edit does not reach this model), or what is wrong with the request
   */
  async run(request: EngineRequest, options: RunOptions = {}): Promise<EngineResult> {
    options.signal?.throwIfAborted();
    await this.start();
    if (this.options.canary !== false) {
      for (const edit of request.edits ?? []) await this.#verify(edit.layer, edit.direction);
    }
    options.signal?.throwIfAborted();
    const message = await this.#ask<'result'>(
      (id) => ({ type: 'submit', id, request }),
      options.onEvents,
      options.signal,
    );
    return message.result;
  }

  /** Each direction is proved once per layer. */
  #verify(layer: number, direction: Float32Array): Promise<void> {
    const key = `${layer}:${Buffer.from(direction.buffer, direction.byteOffset, direction.byteLength).toString('base64')}`;
    let proof = this.#verified.get(key);
    if (!proof) {
      proof = verifyDirection(this, layer, direction);
      this.#verified.set(key, proof);
      proof.catch(() => this.#verified.delete(key));
    }
    return proof;
  }

  /** Runs a request without the canary on its edits: for the canary itself. */
  async runUnverified(request: EngineRequest): Promise<EngineResult> {
    return (await this.#ask<'result'>((id) => ({ type: 'submit', id, request }))).result;
  }

  /** @param parseSpecial whether special tokens written out (`<|im_start|>`) become themselves */
  async tokenize(text: string, parseSpecial: boolean): Promise<number[]> {
    await this.start();
    return (await this.#ask<'tokens'>((id) => ({ type: 'tokenize', id, text, parseSpecial }))).tokens;
  }

  /** Text of tokens, special ones written out; `pieces` one by one (bytes that are no whole character become �). */
  async detokenize(tokens: readonly number[]): Promise<{ text: string; pieces: string[] }> {
    await this.start();
    const { text, pieces } = await this.#ask<'text'>((id) => ({ type: 'detokenize', id, tokens }));
    return { text, pieces };
  }

  /** llama.cpp's own control vector for the whole context (a second opinion on our edits); null clears.
   *  @param data (layers − 1 × d), beginning with block 1 */
  async setControlVector(data: Float32Array | null, firstLayer: number, lastLayer: number): Promise<void> {
    await this.start();
    await this.#ask<'done'>((id) => ({ type: 'control_vector', id, data, firstLayer, lastLayer }));
  }

  /** Resident memory of the engine process, bytes. */
  async residentBytes(): Promise<number> {
    await this.start();
    return (await this.#ask<'memory'>((id) => ({ type: 'memory', id }))).residentBytes;
  }

  /** For tests of recovery: a real GGML_ABORT in the engine process, where PERSONA_ENGINE_FAULTS is set. */
  abortNatively(): void {
    this.#send({ type: 'native_abort' });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    const child = this.#child;
    if (!child) return;
    this.#gone(new PersonaError('ABORTED', 'the engine was closed'));
    await new Promise<void>((resolve) => {
      child.once('exit', () => resolve()); // 'close' does not come after a disconnect of ours
      child.disconnect();
    });
  }
}

/** Starts an engine and waits for the model. */
export async function openEngine(options: OpenOptions): Promise<Engine> {
  const engine = new Engine(options);
  try {
    await engine.start();
  } catch (error) {
    await engine[Symbol.asyncDispose]();
    throw error;
  }
  return engine;
}

function toError(message: Extract<FromEngine, { type: 'failed' }>): PersonaError {
  return new PersonaError(
    message.code,
    message.message,
    message.remedy === undefined ? {} : { remedy: message.remedy },
  );
}
