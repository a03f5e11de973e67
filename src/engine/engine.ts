/**
 * The engine as the rest of the product sees it: a model in a process of its own that answers requests, many at once.
 * A native abort kills that process only: requests in flight fail with ENGINE_CRASHED, and the next request starts it
 * again.
 */

import { fork, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { PersonaError } from '../errors.ts';
import { verifyDirection, verifyModel, type CanaryReport } from './canary.ts';
import { checkEdits, checkRequest } from './check-request.ts';
import type { Fault, FromEngine, ToEngine } from './protocol.ts';
import type { Edit, EngineOptions, EngineRequest, EngineResult, ModelInfo, TokenEvent } from './request.ts';

export interface RunOptions {
  signal?: AbortSignal | undefined;
  onEvents?: ((events: TokenEvent[]) => void) | undefined;
  /** the projections at the last prompt token, before a word is told; not of a given answer */
  onPrompt?: ((projections: number[]) => void) | undefined;
  /** how to change the request while it runs */
  onStart?: ((control: RunControl) => void) | undefined;
}

/** A request under way. */
export interface RunControl {
  /**
   * More edits, from the next token on; those of `editsApplied` follow the first ones'. Nothing happens when the
   * request is over.
   * @throws PersonaError as for a request's own edits
   */
  addEdits(edits: readonly Edit[]): Promise<void>;
}

export interface OpenOptions extends EngineOptions {
  /** Skips the proof that edits reach the model; for the proof's own requests and for tools that only read. @default true */
  canary?: boolean;
  onLoadProgress?: (fraction: number) => void;
}

interface Pending {
  resolve: (message: FromEngine) => void;
  reject: (error: unknown) => void;
  onEvents: RunOptions['onEvents'];
  onPrompt: RunOptions['onPrompt'];
}

/** Native error output kept for the message of a crash. */
const KEPT_LOG = 2000;

/** MB. The engine process makes short-lived garbage at every step; V8 would let that grow to a hundred megabytes. */
const YOUNG_GENERATION = 8;

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
    if (this.#closed) throw closed();
    this.#starting ??= this.#load().catch((error: unknown) => {
      // not usable, so not kept: the next start begins anew
      this.#child?.kill('SIGKILL');
      this.#gone(error);
      throw this.#closed ? closed() : error;
    });
    return this.#starting;
  }

  async #load(): Promise<ModelInfo> {
    this.#info = await this.#spawn();
    if (this.options.canary !== false) this.canary ??= await verifyModel(this);
    return this.#info;
  }

  #spawn(): Promise<ModelInfo> {
    const child = fork(workerPath, [], {
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      execArgv: [`--max-semi-space-size=${YOUNG_GENERATION}`],
      // a debugger's backtrace takes seconds and buries what the abort said
      env: { ...process.env, GGML_NO_BACKTRACE: '1' },
    });
    this.#child = child;
    this.#log = '';
    child.stderr!.on(
      'data',
      (chunk: Buffer) => (this.#log = (this.#log + chunk.toString()).slice(-KEPT_LOG)),
    );
    const { onLoadProgress, canary: _, ...options } = this.options;
    return new Promise((resolve, reject) => {
      const end = (error: PersonaError): void => {
        reject(error);
        if (this.#child === child) this.#gone(error);
      };
      child.on('message', (message: FromEngine) => {
        if (message.type === 'loaded') resolve(message.info);
        else if (message.type === 'progress') onLoadProgress?.(message.fraction);
        else if (message.type === 'failed' && message.id === undefined) reject(toError(message));
        else this.#receive(message);
      });
      child.on('error', (cause) =>
        end(
          new PersonaError('ENGINE_CRASHED', `cannot start the engine process: ${cause.message}`, { cause }),
        ),
      );
      child.on('close', (code, signal) => end(this.#crash(code, signal)));
      this.#send({ type: 'load', options });
    });
  }

  #crash(code: number | null, signal: string | null): PersonaError {
    const words = this.#log.trim().split('\n').slice(-3).join('; ');
    const how = signal ? `was ended by ${signal}` : code === null ? 'has ended' : `exited with ${code}`;
    return new PersonaError('ENGINE_CRASHED', `the engine process ${how}${words ? `: ${words}` : ''}`, {
      remedy: 'the next request starts it again',
    });
  }

  #gone(error: unknown): void {
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
      for (const { id, events, prompt } of message.batches) {
        const pending = this.#pending.get(id);
        if (prompt) pending?.onPrompt?.(prompt);
        if (events.length > 0) pending?.onEvents?.(events);
      }
      return;
    }
    if (!('id' in message) || message.id === undefined) return;
    const pending = this.#pending.get(message.id);
    this.#pending.delete(message.id);
    if (message.type === 'failed') pending?.reject(toError(message));
    else pending?.resolve(message);
  }

  #ask<T extends FromEngine['type']>(
    make: (id: number) => ToEngine,
    { signal, onEvents, onPrompt, onStart }: RunOptions = {},
  ): Promise<Extract<FromEngine, { type: T }>> {
    // between the look whether it runs and this, it may have ended: nobody would answer
    if (!this.#child) return Promise.reject(this.#closed ? closed() : this.#crash(null, null));
    const id = this.#nextId++;
    const answer = new Promise<Extract<FromEngine, { type: T }>>((resolve, reject) => {
      this.#pending.set(id, { resolve: resolve as Pending['resolve'], reject, onEvents, onPrompt });
    });
    this.#send(make(id));
    onStart?.(this.#controlOf(id));
    return abortable(answer, signal, () => {
      this.#pending.delete(id);
      this.#send({ type: 'abort', id });
    });
  }

  /**
   * Runs one request; call it many times without waiting and they are batched together.
   * @throws PersonaError ABORTED, ENGINE_CRASHED, CANARY (an edit does not reach this model), or what is wrong with the request
   */
  async run(request: EngineRequest, options: RunOptions = {}): Promise<EngineResult> {
    const info = await abortable(this.start(), options.signal);
    checkRequest(request, info);
    if (this.options.canary !== false && request.edits) {
      const proofs = request.edits.map((edit) => this.#verify(edit.layer, edit.direction));
      await abortable(Promise.all(proofs), options.signal);
    }
    return this.runUnverified(request, options);
  }

  #controlOf(id: number): RunControl {
    return {
      addEdits: async (edits) => {
        checkEdits(edits, this.info);
        if (this.options.canary !== false)
          await Promise.all(edits.map((edit) => this.#verify(edit.layer, edit.direction)));
        if (this.#pending.has(id)) this.#send({ type: 'edit', id, edits });
      },
    };
  }

  /** Each direction is proved once per layer. */
  #verify(layer: number, direction: Float32Array): Promise<void> {
    const key = `${layer} ${createHash('sha256').update(direction).digest('base64')}`;
    let proof = this.#verified.get(key);
    if (!proof) {
      proof = verifyDirection(this, layer, direction);
      this.#verified.set(key, proof);
      proof.catch(() => this.#verified.delete(key));
    }
    return proof;
  }

  /** Runs a request that is known to be sound without the canary on its edits: for the canary itself. */
  async runUnverified(request: EngineRequest, options: RunOptions = {}): Promise<EngineResult> {
    return (await this.#ask<'result'>((id) => ({ type: 'submit', id, request }), options)).result;
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

  /** For tests of recovery, where PERSONA_ENGINE_FAULTS is set: has something go wrong in the engine process. */
  fault(fault: Fault): void {
    this.#send({ type: 'fault', fault });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    const child = this.#child;
    this.#gone(closed());
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    // it has nothing to save, and may be deep in a long computation
    await new Promise((resolve) => {
      child.once('exit', resolve);
      child.kill('SIGKILL');
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

/** What `work` gives, unless the signal comes first. */
function abortable<T>(work: Promise<T>, signal: AbortSignal | undefined, onAbort?: () => void): Promise<T> {
  if (!signal) return work;
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      onAbort?.();
      reject(new PersonaError('ABORTED', 'the request was aborted', { cause: signal.reason }));
    };
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

function closed(): PersonaError {
  return new PersonaError('ABORTED', 'the engine is closed');
}

function toError(message: Extract<FromEngine, { type: 'failed' }>): PersonaError {
  return new PersonaError(
    message.code,
    message.message,
    message.remedy === undefined ? {} : { remedy: message.remedy },
  );
}
