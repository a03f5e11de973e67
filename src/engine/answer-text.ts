/**
 * The text of an answer as its tokens come: whole characters only, and never a part of a stop string. Text that might
 * become a stop string is held back until it is clear.
 */

export class AnswerText {
  #decoder = new TextDecoder('utf-8');
  #held = '';
  #stops: readonly string[];
  text = '';
  /** a stop string was met; `text` ends before it */
  stopped = false;

  constructor(stops: readonly string[] = []) {
    this.#stops = stops.filter((stop) => stop.length > 0);
  }

  /** Adds a token's bytes; returns the text that is now certain. */
  push(bytes: Uint8Array): string {
    return this.#take(this.#decoder.decode(bytes, { stream: true }));
  }

  /** The rest, when the answer is over. */
  end(): string {
    const rest = this.stopped ? '' : this.#take(this.#decoder.decode()) + this.#held;
    this.text += this.#held;
    this.#held = '';
    return rest;
  }

  #take(piece: string): string {
    if (this.stopped) return '';
    const pending = this.#held + piece;
    let end = -1;
    for (const stop of this.#stops) {
      const at = pending.indexOf(stop);
      if (at >= 0 && (end < 0 || at < end)) end = at;
    }
    if (end >= 0) {
      this.stopped = true;
      this.#held = '';
      const certain = pending.slice(0, end);
      this.text += certain;
      return certain;
    }
    const keep = longestStopPrefix(pending, this.#stops);
    const certain = pending.slice(0, pending.length - keep);
    this.#held = pending.slice(pending.length - keep);
    this.text += certain;
    return certain;
  }
}

/** Length of the longest end of `text` that begins a stop string. */
function longestStopPrefix(text: string, stops: readonly string[]): number {
  let longest = 0;
  for (const stop of stops) {
    for (let n = Math.min(stop.length - 1, text.length); n > longest; n--) {
      if (text.endsWith(stop.slice(0, n))) {
        longest = n;
        break;
      }
    }
  }
  return longest;
}
