/**
 * How a receiver knows that a webhook is ours: `x-persona-signature: t=1893456000,v1=HEX`, where HEX is the HMAC-SHA-256
 * of `t.body` under the shared secret. The time is signed with it, so that an old message cannot be sent again.
 */

import { createHmac, timingSafeEqual } from 'node:crypto';

export const SIGNATURE_HEADER = 'x-persona-signature';

/** Seconds that a message may be on its way, and clocks may differ. */
const TOLERANCE_S = 300;

/** @param seconds since 1970 */
export function sign(secret: string, body: string, seconds: number): string {
  return `t=${seconds},v1=${hmac(secret, body, seconds)}`;
}

/** For receivers: is this message ours, whole, and not too old? */
export function verifySignature(
  secret: string,
  body: string,
  header: string,
  now: number = Date.now() / 1000,
): boolean {
  const [, time, given] = /^t=(\d{1,12}),v1=([0-9a-f]{64})$/.exec(header) ?? [];
  if (time === undefined || given === undefined || Math.abs(now - Number(time)) > TOLERANCE_S) return false;
  return timingSafeEqual(Buffer.from(given, 'hex'), Buffer.from(hmac(secret, body, Number(time)), 'hex'));
}

function hmac(secret: string, body: string, seconds: number): string {
  return createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex');
}
