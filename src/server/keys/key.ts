/**
 * Keys of the server: `pk_ID_SECRET`. The id is no secret: it names the key in lists, logs and events. Of the key itself
 * only a hash is kept.
 */

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

const ID_BYTES = 6;
const SECRET_BYTES = 32; // 256 bits
const KEY = /^pk_([0-9a-f]{12})_[A-Za-z0-9_-]{43}$/;

export interface NewKey {
  id: string;
  /** shown once, and nowhere kept */
  key: string;
  hash: string;
}

export function newKey(): NewKey {
  const id = randomBytes(ID_BYTES).toString('hex');
  const key = `pk_${id}_${randomBytes(SECRET_BYTES).toString('base64url')}`;
  return { id, key, hash: hashOf(key) };
}

/** The id within what looks like a key. */
export function idOf(key: string): string | undefined {
  return KEY.exec(key)?.[1];
}

/**
 * One round of SHA-256, in hex. A slow hash makes guessing of words that people chose dear; 256 random bits cannot be
 * guessed at any speed, and each request pays for the hash.
 */
export function hashOf(key: string): string {
  return createHash('sha256').update(key).digest('hex');
}

/** In a time that does not tell how much of it is right. */
export function matches(key: string, hash: string): boolean {
  return timingSafeEqual(Buffer.from(hashOf(key), 'hex'), Buffer.from(hash, 'hex'));
}
