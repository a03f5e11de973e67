/** What the KV cache holds for each sequence: cut off, copied, and moved from one to another. */

import { PersonaError } from '../errors.ts';
import type { Native, Pointer } from './ffi.ts';

export class Sequences {
  readonly #native: Native;
  readonly #context: Pointer;
  readonly #memory: Pointer;
  readonly #room: number;
  readonly #onGpu: boolean;
  #state = new Uint8Array(0);
  /** llama.cpp has copies to make when the next graph runs */
  #copying = false;

  /** @param room tokens that one sequence may hold */
  constructor(native: Native, context: Pointer, { room, onGpu }: { room: number; onGpu: boolean }) {
    this.#native = native;
    this.#context = context;
    this.#memory = native.llama_get_memory(context);
    this.#room = room;
    this.#onGpu = onGpu;
  }

  /** A graph runs now, and with it whatever was left to do. */
  settle(): void {
    this.#copying = false;
  }

  /** Drops what the sequence holds from position `from` on; false where that cannot be done (recurrent models). */
  truncate(sequence: number, from: number): boolean {
    return this.#native.llama_memory_seq_rm(this.#memory, sequence, from, -1);
  }

  /** Makes `to` hold what `from` holds. @param held tokens of `from` */
  copy(from: number, to: number, held: number): void {
    this.truncate(to, 0);
    if (this.movable(held)) {
      this.#put(this.#take(from), to);
      return;
    }
    // all cells of a sequence, used or not; done when the next graph runs
    this.#native.llama_memory_seq_cp(this.#memory, from, to, -1, -1);
    this.#copying = true;
  }

  /**
   * Whether a sequence of so many tokens is better copied token by token, at once: llama.cpp's own copy takes the
   * whole room of a sequence and has the next graph built anew. Not before that copy is done, which reads and writes
   * the same memory; and not on a GPU, where the tokens would come to this side and go back.
   */
  movable(held: number): boolean {
    return !this.#copying && !this.#onGpu && 2 * held <= this.#room;
  }

  /** Exchanges what two sequences hold; both must be movable. */
  swap(a: number, b: number): void {
    const [ofA, ofB] = [this.#take(a).slice(), this.#take(b)];
    this.truncate(a, 0);
    this.truncate(b, 0);
    this.#put(ofA, b);
    this.#put(ofB, a);
  }

  /** What a sequence holds, valid until the next call. */
  #take(sequence: number): Uint8Array {
    const size = Number(this.#native.llama_state_seq_get_size(this.#context, sequence));
    if (this.#state.length < size) this.#state = new Uint8Array(size);
    const state = this.#state.subarray(0, size);
    checkMoved(this.#native.llama_state_seq_get_data(this.#context, state, size, sequence), size);
    return state;
  }

  #put(state: Uint8Array, sequence: number): void {
    const { length } = state;
    checkMoved(this.#native.llama_state_seq_set_data(this.#context, state, length, sequence), length);
  }
}

function checkMoved(moved: number | bigint, size: number): void {
  if (Number(moved) === size) return;
  throw new PersonaError('ENGINE_FAILED', `a sequence of ${size} bytes could not be moved (${moved})`);
}
