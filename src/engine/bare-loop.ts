/**
 * The measure of the engine: the plainest greedy decode loop over the same library and the same context settings, in
 * a process of its own. Nothing is sent while it runs; the clock is its own.
 */

import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { PersonaError } from '../errors.ts';
import { openNative, view, type Pointer } from './ffi.ts';
import { NativeModel } from './native-model.ts';
import type { EngineOptions } from './request.ts';

export interface BareRun {
  /** decode steps alone, prompts not counted */
  seconds: number;
  /** one row of tokens per prompt */
  answers: number[][];
}

type ToChild = { options: EngineOptions } | { prompts: readonly (readonly number[])[]; count: number };
type FromChild = { ready: true; picksBy: Picker } | { run: BareRun } | { error: string };

/** How the likeliest token is found: by llama.cpp's sampler, or by a loop over the logits. */
export type Picker = 'native' | 'view';

export class BareLoop implements AsyncDisposable {
  /** the faster one here */
  readonly picksBy: Picker;
  readonly #child: ChildProcess;

  constructor(child: ChildProcess, picksBy: Picker) {
    this.#child = child;
    this.picksBy = picksBy;
  }

  /** Feeds the prompts, one sequence each, then decodes `count` tokens of all of them in step. */
  async decode(prompts: readonly (readonly number[])[], count: number): Promise<BareRun> {
    const answer = await ask(this.#child, { prompts, count });
    if (!('run' in answer)) throw new PersonaError('ENGINE_FAILED', 'the bare loop gave no run');
    return answer.run;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exit = once(this.#child, 'exit');
    this.#child.disconnect();
    await exit;
  }
}

/** Starts the process and loads the model in it. */
export async function openBareLoop(options: EngineOptions): Promise<BareLoop> {
  const child = fork(fileURLToPath(import.meta.url), [CHILD], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    execArgv: [],
  });
  const answer = await ask(child, { options });
  if (!('ready' in answer)) throw new PersonaError('ENGINE_FAILED', 'the bare loop did not start');
  return new BareLoop(child, answer.picksBy);
}

async function ask(child: ChildProcess, message: ToChild): Promise<FromChild> {
  const answer = await new Promise<FromChild>((resolve, reject) => {
    const settle = (): void => {
      child.off('message', onMessage).off('exit', onExit).off('error', reject);
    };
    const onMessage = (value: unknown): void => {
      settle();
      resolve(value as FromChild);
    };
    const onExit = (code: number | null, signal: string | null): void => {
      settle();
      reject(new PersonaError('ENGINE_CRASHED', `the bare loop ended with ${signal ?? code}`));
    };
    child.on('message', onMessage).on('exit', onExit).on('error', reject);
    child.send(message);
  });
  if ('error' in answer) throw new PersonaError('ENGINE_FAILED', `the bare loop: ${answer.error}`);
  return answer;
}

// The child from here on

const CHILD = 'bare-loop';
/** Picks tried before the faster way is chosen. */
const TRIES = 200;

type Decode = (prompts: readonly (readonly number[])[], count: number) => BareRun;

/** One context, one batch, one sampler; all that a loop needs is looked up before it runs. */
function loadHere(options: EngineOptions): { decode: Decode; picksBy: Picker } {
  const native = openNative();
  const model = new NativeModel(options, { address: 0n, cookie: 0n }, { last: () => 'no reason given' });
  const { context, info } = model;
  const memory: Pointer = native.llama_get_memory(context);
  const greedy: Pointer = native.llama_sampler_init_greedy();

  const rows = Math.max(model.batchSize, info.parallel);
  const batch = native.llama_batch_init(rows, 0, 1);
  const tokens = new Int32Array(view(batch.token, rows * 4));
  const positions = new Int32Array(view(batch.pos, rows * 4));
  const outputs = new Int8Array(view(batch.logits, rows));
  new Int32Array(view(batch.n_seq_id, rows * 4)).fill(1);
  const pointers = new BigInt64Array(view(batch.seq_id, rows * 8));
  const sequences = Array.from({ length: rows }, (_, i) => new Int32Array(view(pointers[i]!, 4)));

  function run(count: number): void {
    batch.n_tokens = count;
    const status: number = native.llama_decode(context, batch);
    if (status !== 0) throw new Error(`llama_decode failed with ${status}`);
  }

  function pickNative(row: number): number {
    return native.llama_sampler_sample(greedy, context, row) as number;
  }
  const views = new Map<Pointer, Float32Array>();
  function pickFromView(row: number): number {
    const pointer: Pointer = native.llama_get_logits_ith(context, row);
    let logits = views.get(pointer);
    if (!logits) {
      logits = new Float32Array(view(pointer, info.vocabulary * 4));
      views.set(pointer, logits);
    }
    let best = 0;
    for (let i = 1; i < logits.length; i++) if (logits[i]! > logits[best]!) best = i;
    return best;
  }

  function feedPrompt(prompt: readonly number[], sequence: number): void {
    for (let from = 0; from < prompt.length; from += rows) {
      const count = Math.min(rows, prompt.length - from);
      for (let i = 0; i < count; i++) {
        tokens[i] = prompt[from + i]!;
        positions[i] = from + i;
        sequences[i]![0] = sequence;
        outputs[i] = from + i === prompt.length - 1 ? 1 : 0;
      }
      run(count);
    }
  }

  // the first run chooses how to pick
  feedPrompt([0], 0);
  const timeOf = (pick: (row: number) => number): number => {
    for (let i = 0; i < TRIES; i++) pick(0); // compiled by then
    const begun = performance.now();
    for (let i = 0; i < TRIES; i++) pick(0);
    return performance.now() - begun;
  };
  const picksBy: Picker = timeOf(pickFromView) < timeOf(pickNative) ? 'view' : 'native';
  const pick = picksBy === 'view' ? pickFromView : pickNative;

  function decode(prompts: readonly (readonly number[])[], count: number): BareRun {
    native.llama_memory_clear(memory, false);
    const next: number[] = [];
    for (const [s, prompt] of prompts.entries()) {
      feedPrompt(prompt, s);
      next.push(pick((prompt.length - 1) % rows));
    }
    const answers = next.map((token) => [token]);
    for (let s = 0; s < prompts.length; s++) {
      sequences[s]![0] = s;
      outputs[s] = 1;
      positions[s] = prompts[s]!.length;
    }
    const begun = performance.now();
    for (let step = 1; step < count; step++) {
      for (let s = 0; s < prompts.length; s++) tokens[s] = next[s]!;
      run(prompts.length);
      for (let s = 0; s < prompts.length; s++) {
        next[s] = pick(s);
        answers[s]!.push(next[s]!);
        positions[s]!++;
      }
    }
    return { seconds: (performance.now() - begun) / 1000, answers };
  }
  return { decode, picksBy };
}

if (process.send && process.argv[2] === CHILD && process.argv[1] === fileURLToPath(import.meta.url)) {
  const reply = (message: FromChild): void => void process.send!(message);
  let decode: Decode | undefined;
  process.on('message', (message: ToChild) => {
    try {
      if ('options' in message) {
        const loaded = loadHere(message.options);
        decode = loaded.decode;
        reply({ ready: true, picksBy: loaded.picksBy });
      } else reply({ run: decode!(message.prompts, message.count) });
    } catch (error) {
      reply({ error: error instanceof Error ? error.message : String(error) });
    }
  });
  process.on('disconnect', () => process.exit(0));
  process.on('SIGINT', () => {}); // Ctrl-C goes to the whole group; the host decides what ends
}
