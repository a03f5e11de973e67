/** An HTTP server on 127.0.0.1 that does as it is told, request by request: good answers, errors, cuts and silence. */

import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';

/** `hang`: never an answer. `cut`: half a body, then a closed connection. */
export type Reply =
  | { status?: number; headers?: Record<string, string>; body: unknown; delayMs?: number }
  | 'hang'
  | 'cut';

export interface Asked {
  url: string;
  headers: IncomingHttpHeaders;
  body: Record<string, unknown>;
  /** by performance.now() */
  at: number;
}

export interface ScriptedServer extends AsyncDisposable {
  url: string;
  asked: Asked[];
  /** most requests that were open together */
  most(): number;
}

/** @param reply to the n-th request, from 0; text is sent as it is, all else as JSON */
export async function startScripted(reply: (asked: Asked, n: number) => Reply): Promise<ScriptedServer> {
  const asked: Asked[] = [];
  let open = 0;
  let most = 0;
  const server = createServer((request, response) => {
    open++;
    most = Math.max(most, open);
    response.on('close', () => open--);
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const body = JSON.parse(Buffer.concat(parts).toString()) as Record<string, unknown>;
      const one: Asked = { url: request.url!, headers: request.headers, body, at: performance.now() };
      const answer = reply(one, asked.push(one) - 1);
      if (answer === 'hang') return;
      if (answer === 'cut') {
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' });
        response.write('{"choices": [');
        setTimeout(() => response.destroy(), 5);
        return;
      }
      const { status = 200, headers = {}, delayMs = 0 } = answer;
      const text = typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body);
      setTimeout(() => response.writeHead(status, headers).end(text), delayMs);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    asked,
    most: () => most,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/** A chat completion as OpenAI's API gives it; without `top` it has no log-probabilities. */
export function completion(text: string, top?: Record<string, number>): { body: object } {
  const entries = Object.entries(top ?? {}).map(([token, p]) => ({
    token,
    logprob: Math.log(p),
    bytes: null,
  }));
  return {
    body: {
      id: 'chatcmpl-1',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: text },
          finish_reason: 'length',
          logprobs: top && { content: [{ token: text, logprob: -0.1, top_logprobs: entries }] },
        },
      ],
      usage: { prompt_tokens: 100, completion_tokens: 1, total_tokens: 101 },
    },
  };
}
