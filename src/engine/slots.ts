/**
 * Slots: one per sequence of the context. A slot keeps what its last request fed, so that a later request with the
 * same beginning (and the same edits on it) takes the KV cache over instead of computing it again.
 */

/** Σ of prompt activations over the first `length` tokens, kept so that prompt means need no recomputation. */
export interface Checkpoint {
  length: number;
  meansKey: string;
  sum: Float64Array;
}

export interface Slot {
  id: number;
  /** tokens whose KV the sequence holds */
  tokens: number[];
  /** identity of the edits that touched the prompt; equal keys and equal tokens mean equal KV */
  key: string;
  /** tokens from here on were changed by edits that belong to one request alone */
  shareable: number;
  /** blocks that were computed: a request that ended early left nothing above */
  depth: number;
  checkpoints: Checkpoint[];
  busy: boolean;
  /** for choosing the slot that was idle longest */
  lastUsed: number;
}

/** Checkpoints kept per slot; each is layers × d × 8 bytes. */
const MAX_CHECKPOINTS = 4;
/** A shorter common beginning is computed again sooner than its sequence is copied. */
export const MIN_SHARED = 8;
/** One graph for sequences 0, 1, 4, 5 needs rows for 2 and 3 too; up to this many idle rows are cheaper than two graphs. */
export const MAX_BRIDGE = 2;

export function createSlots(count: number): Slot[] {
  return Array.from({ length: count }, (_, id) => ({
    id,
    tokens: [],
    key: '',
    shareable: 0,
    depth: 0,
    checkpoints: [],
    busy: false,
    lastUsed: 0,
  }));
}

export interface PrefixQuery {
  prompt: readonly number[];
  key: string;
  depth: number;
  /** present when prompt sums are wanted */
  meansKey: string | undefined;
}

export interface Prefix {
  length: number;
  sum: Float64Array | undefined;
}

/** Length of the common beginning. */
export function commonPrefix(a: readonly number[], b: readonly number[], limit: number = Infinity): number {
  const end = Math.min(a.length, b.length, limit);
  let n = 0;
  while (n < end && a[n] === b[n]) n++;
  return n;
}

/** How much of the query's prompt this slot can give; the last prompt token is always computed anew. */
export function usablePrefix(slot: Slot, query: PrefixQuery): Prefix {
  if (slot.key !== query.key || slot.depth < query.depth) return { length: 0, sum: undefined };
  const limit = Math.min(slot.shareable, query.prompt.length - 1);
  const length = commonPrefix(slot.tokens, query.prompt, limit);
  if (query.meansKey === undefined) return { length, sum: undefined };
  let best: Checkpoint | undefined;
  for (const checkpoint of slot.checkpoints) {
    if (checkpoint.meansKey !== query.meansKey || checkpoint.length > length) continue;
    if (!best || checkpoint.length > best.length) best = checkpoint;
  }
  return best ? { length: best.length, sum: best.sum } : { length: 0, sum: undefined };
}

export function addCheckpoint(slot: Slot, checkpoint: Checkpoint): void {
  slot.checkpoints = slot.checkpoints.filter(
    (c) => c.length !== checkpoint.length || c.meansKey !== checkpoint.meansKey,
  );
  slot.checkpoints.push(checkpoint);
  if (slot.checkpoints.length > MAX_CHECKPOINTS) slot.checkpoints.shift();
}
