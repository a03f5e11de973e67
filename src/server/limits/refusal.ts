/** Requests that are turned away, in the shape that OpenAI's clients understand. */

import type { Context } from 'hono';

export interface RefusedRequest {
  status: 401 | 413 | 429 | 503 | 504;
  message: string;
  type: string;
  code: string;
  /** from when on another try makes sense */
  retryAfterMs?: number;
}

export function refuse(
  c: Context,
  { status, message, type, code, retryAfterMs }: RefusedRequest,
  headers: Record<string, string> = {},
): Response {
  const all = { ...headers };
  if (retryAfterMs !== undefined) {
    all['retry-after'] = String(Math.max(1, Math.ceil(retryAfterMs / 1000)));
    all['retry-after-ms'] = String(Math.ceil(retryAfterMs));
  }
  if (status === 401) all['www-authenticate'] = 'Bearer';
  return c.json({ error: { message, type, param: null, code } }, status, all);
}
