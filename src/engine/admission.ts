/**
 * Which slot a request gets, and how much of its prompt is in the KV cache already: what an earlier request left there,
 * or what another is just computing.
 */

import { shareableLength, type Job } from './job.ts';
import type { NativeModel } from './native-model.ts';
import { commonPrefix, MIN_SHARED, usablePrefix, type Prefix, type PrefixQuery, type Slot } from './slots.ts';

const NOTHING: Prefix = { length: 0, sum: undefined };

/**
 * Places a job into a free slot (there must be one).
 * @param active the jobs that have a slot
 * @param next the job that will come after this one, if any
 * @returns false when it pays to wait, since an active job is just computing a beginning that this one can share
 */
export function place(
  job: Job,
  slots: readonly Slot[],
  active: readonly Job[],
  next: Job | undefined,
  model: NativeModel,
): boolean {
  const shares = job.request.sharePrefix !== false && model.divisible;
  // a token from the cache has no projection, so whoever wants those of the prompt computes it
  const takes = shares && !job.reads.projections.some(({ read }) => read.prompt);
  const sums = job.reads.means?.kinds.has('prompt_avg') ? job.reads.means : undefined;
  const query: PrefixQuery = {
    prompt: job.prompt,
    key: job.prefixKey,
    depth: job.depth,
    meansKey: sums?.key,
  };
  let { source, prefix } = takes ? longestPrefix(slots, query) : { source: undefined, prefix: NOTHING };
  if (takes && active.some((other) => willGive(other, job, query) >= prefix.length + MIN_SHARED))
    return false;
  if (prefix.length < MIN_SHARED) {
    source = undefined;
    prefix = NOTHING;
  }

  const near = nearIdle(slots);
  const slot = source && near.includes(source) && isMostOf(prefix, source) ? source : longestIdle(near);
  if (source && source !== slot) {
    model.sequences.copy(source.id, slot.id, source.tokens.length);
    slot.checkpoints = [...source.checkpoints];
  }
  if (!model.sequences.truncate(slot.id, prefix.length)) {
    model.sequences.truncate(slot.id, 0);
    prefix = NOTHING;
  }
  slot.checkpoints = slot.checkpoints.filter((checkpoint) => checkpoint.length <= prefix.length);
  slot.tokens = job.prompt.slice(0, prefix.length);
  slot.key = job.prefixKey;
  slot.depth = job.depth;
  slot.shareable = shareableLength(job);
  slot.busy = true;

  job.slot = slot;
  job.fed = prefix.length;
  job.cached = prefix.length;
  if (sums && prefix.sum) {
    sums.promptSum.set(prefix.sum);
    sums.promptCount = prefix.length;
  }
  if (sums && shares) job.checkpointsAt = checkpoints(job, next);
  return true;
}

/** The slot that has most of the prompt; an idle one where several have. */
function longestPrefix(
  slots: readonly Slot[],
  query: PrefixQuery,
): { source: Slot | undefined; prefix: Prefix } {
  let source: Slot | undefined;
  let prefix = NOTHING;
  for (const slot of slots) {
    const usable = usablePrefix(slot, query);
    if (usable.length > prefix.length || (usable.length === prefix.length && source?.busy && !slot.busy)) {
      source = slot;
      prefix = usable;
    }
  }
  return { source, prefix };
}

/** Else somebody's long conversation would be cut off for the sake of the system prompt that all share. */
function isMostOf(prefix: Prefix, slot: Slot): boolean {
  return 2 * prefix.length >= slot.tokens.length;
}

/**
 * The idle slots next to a busy one, or as near as there are: a graph holds consecutive sequences, and each gap between
 * two of them costs a row that computes for nothing. All idle slots, when none is busy.
 */
function nearIdle(slots: readonly Slot[]): Slot[] {
  const busy = slots.filter((slot) => slot.busy);
  const distance = (slot: Slot): number => Math.min(...busy.map(({ id }) => Math.abs(id - slot.id)));
  const idle = slots.filter((slot) => !slot.busy);
  const least = Math.min(...idle.map(distance));
  return idle.filter((slot) => distance(slot) === least);
}

function longestIdle(idle: readonly Slot[]): Slot {
  return idle.reduce((oldest, slot) => (slot.lastUsed < oldest.lastUsed ? slot : oldest));
}

/** How long a beginning `other` will be able to give to `job` once it has computed more of its prompt. */
function willGive(other: Job, job: Job, query: PrefixQuery): number {
  if (other.fed >= other.prompt.length - 1 || other.prefixKey !== query.key || other.depth < query.depth)
    return 0;
  const limit = Math.min(other.prompt.length - 1, job.prompt.length - 1);
  const common = commonPrefix(other.prompt, job.prompt, limit);
  if (query.meansKey === undefined) return common > other.fed ? common : 0;
  if (other.reads.means?.key !== query.meansKey) return 0;
  return Math.max(0, ...other.checkpointsAt.filter((length) => length > other.fed && length <= common));
}

/** Where sums are kept: before the last prompt token, and where the next request parts from this one. */
function checkpoints(job: Job, next: Job | undefined): number[] {
  const at = [job.prompt.length - 1];
  if (next && next.prefixKey === job.prefixKey) at.push(commonPrefix(job.prompt, next.prompt));
  return at.filter((length) => length > job.fed && length < job.prompt.length);
}
