/** The interface on a port; closing lets those under way end. */

import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createAdaptorServer } from '@hono/node-server';
import type { OpenAPIHono } from '@hono/zod-openapi';
import { PersonaError } from '../errors.ts';
import { ApiError, errorResponse } from './errors.ts';
import type { Served } from './served.ts';

export interface ListenOptions {
  /** @default '127.0.0.1' */
  host?: string;
  /** 0: any free one */
  port: number;
}

export interface Listening extends AsyncDisposable {
  /** http://HOST:PORT */
  url: string;
  port: number;
  /**
   * Takes no new requests, waits for those under way, then is gone. All of them have been recorded by then.
   * @param patience ms after which those still under way are cut off. @default 30 000
   */
  close(patience?: number): Promise<void>;
}

const PATIENCE = 30_000;
/** For answers that were cut off to be recorded as such, ms. */
const LAST_WORDS = 2000;
/** A connection that has become idle is closed so much later at most, ms. */
const SWEEP = 20;

/** @throws PersonaError USAGE when the port is taken or not ours to take */
export async function listen(
  app: OpenAPIHono,
  { state, underWay }: Pick<Served, 'state' | 'underWay'>,
  { host = '127.0.0.1', port }: ListenOptions,
): Promise<Listening> {
  const server = createAdaptorServer({
    fetch(request: Request, env: unknown) {
      if (!state.draining) return app.fetch(request, env as object);
      const response = errorResponse(
        new ApiError('the server is going down', { status: 503, code: 'draining', retryAfter: 1 }),
      );
      response.headers.set('connection', 'close');
      return response;
    },
  }) as Server;
  server.listen(port, host);
  try {
    await once(server, 'listening');
  } catch (error) {
    throw new PersonaError('USAGE', `cannot listen on ${host}:${port}: ${(error as Error).message}`, {
      remedy: 'Choose another --port, or 0 for any free one.',
      cause: error,
    });
  }
  const address = server.address() as AddressInfo;

  async function close(patience = PATIENCE): Promise<void> {
    state.draining = true;
    if (!server.listening) return;
    const closed = once(server, 'close');
    server.close();
    const sweep = setInterval(() => server.closeIdleConnections(), SWEEP);
    const cut = setTimeout(() => server.closeAllConnections(), patience);
    await closed;
    clearInterval(sweep);
    clearTimeout(cut);
    // those that were cut off, too; but an engine that does not answer must not hold up the end
    await Promise.race([Promise.allSettled(underWay), sleep(LAST_WORDS, undefined, { ref: false })]);
  }
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${address.port}`,
    port: address.port,
    close,
    [Symbol.asyncDispose]: () => close(0),
  };
}
