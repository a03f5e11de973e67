/** One try of one webhook: a POST to the checked address; of the answer only the status is wanted. */

import { type IncomingMessage, request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Target } from './target.ts';

/** The status. Redirects are not followed, and no byte of the answer's body is kept: the connection ends with its head. */
export function post(
  { url, address, family }: Target,
  headers: Record<string, string>,
  body: string,
  signal: AbortSignal,
): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
  const request = send(url, {
    method: 'POST',
    headers: { ...headers, 'content-length': String(Buffer.byteLength(body)) },
    agent: false, // a connection that is kept might be one to another address
    // the name stays in the Host header and the certificate's check, the connection goes to what was checked
    lookup: (_host, options, done) =>
      options.all ? done(null, [{ address, family }]) : done(null, address, family),
    signal,
  });
  request.on('response', (response: IncomingMessage) => {
    resolve(response.statusCode ?? 0);
    response.on('error', () => {});
    response.destroy();
  });
  request.on('error', reject);
  request.end(body);
  return promise;
}
