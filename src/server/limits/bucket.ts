/**
 * A token bucket: what may be taken at once, refilled evenly. As plain numbers with the time handed in, of a clock that
 * only goes forward; should it go back all the same, nothing is given and nothing is lost.
 */

export interface Bucket {
  /** what it holds when it is full: a minute's worth */
  readonly capacity: number;
  readonly perMs: number;
  /** below 0 when more was used than was estimated */
  level: number;
  /** when `level` was right */
  at: number;
}

const MINUTE_MS = 60_000;

export function fullBucket(perMinute: number, now: number): Bucket {
  return { capacity: perMinute, perMs: perMinute / MINUTE_MS, level: perMinute, at: now };
}

/** Takes `amount`, or nothing: then the answer is how many ms until it could. 0: taken. */
export function take(bucket: Bucket, amount: number, now: number): number {
  const wait = waitFor(bucket, amount, now);
  if (wait === 0) bucket.level -= amount;
  return wait;
}

/** How many ms until `amount` could be taken. More than it can ever hold is there when it is full. */
export function waitFor(bucket: Bucket, amount: number, now: number): number {
  refill(bucket, now);
  const lacking = Math.min(amount, bucket.capacity) - bucket.level;
  return lacking <= ROUNDING ? 0 : lacking / bucket.perMs;
}

/** Gives back what was taken too much; a negative amount takes what was used more, also below 0. */
export function giveBack(bucket: Bucket, amount: number, now: number): void {
  refill(bucket, now);
  bucket.level = Math.min(bucket.capacity, bucket.level + amount);
}

/** Whole ones that could be taken now. */
export function remaining(bucket: Bucket, now: number): number {
  refill(bucket, now);
  return Math.max(0, Math.floor(bucket.level + ROUNDING));
}

/** ms until it is full. */
export function resetMs(bucket: Bucket, now: number): number {
  refill(bucket, now);
  return (bucket.capacity - bucket.level) / bucket.perMs;
}

/** Many small refills add up to a little less than one large one; whoever waited as told must get what they waited for. */
const ROUNDING = 1e-6;

function refill(bucket: Bucket, now: number): void {
  if (now <= bucket.at) return;
  bucket.level = Math.min(bucket.capacity, bucket.level + (now - bucket.at) * bucket.perMs);
  bucket.at = now;
}
