/**
 * The text of an answer as its tokens come: whole characters only, and never a part of a stop string. Text that might
 * become a stop string is held back until it is clear.
 */

export class AnswerText {
  // a byte order mark inside an answer is a character as any other
  #decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  /** bytes that begin a character */
  #begun: Uint8Array = new Uint8Array(0);
  /** characters that may begin a stop string */
  #held = '';
  #stops: readonly string[];
  text = '';
  /** a stop string was met; `text` ends before it */
  stopped = false;

  constructor(stops: readonly string[] = []) {
    this.#stops = stops.filter((stop) => stop.length > 0);
  }

  /** Some of what was pushed is not told yet; the next push or the end will. */
  get pending(): boolean {
    return this.#begun.length > 0 || this.#held.length > 0;
  }

  /** Adds a token's bytes; returns the text that is now certain. */
  push(bytes: Uint8Array): string {
    const all = this.#begun.length === 0 ? bytes : Buffer.concat([this.#begun, bytes]);
    const whole = all.length - begun(all);
    this.#begun = all.slice(whole);
    return this.#take(this.#decoder.decode(all.subarray(0, whole)));
  }

  /** The rest, when the answer is over; a character that was only begun becomes �. */
  end(): string {
    const certain = this.#take(this.#decoder.decode(this.#begun));
    const rest = certain + this.#held;
    this.text += this.#held;
    this.#held = '';
    this.#begun = new Uint8Array(0);
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
    this.stopped = end >= 0;
    const certain = this.stopped
      ? pending.slice(0, end)
      : pending.slice(0, pending.length - longestStopPrefix(pending, this.#stops));
    this.#held = this.stopped ? '' : pending.slice(certain.length);
    this.text += certain;
    return certain;
  }
}

/** Number of bytes at the end that begin a character of UTF-8 without finishing it, 0 … 3. */
function begun(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back]!;
    if (byte >> 6 === 0b10) continue; // inside a character
    const length = byte >= 0xf8 ? 1 : byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return length > back ? back : 0;
  }
  return 0;
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
