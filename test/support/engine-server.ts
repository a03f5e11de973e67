/**
 * A real model behind OpenAI's chat interface on 127.0.0.1: the engine itself, with its own log-probabilities, seeds and
 * stop strings. For tests of clients; it can be killed and started again on its port.
 */

import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TokenLogprobs } from '../../src/engine/request.ts';
import { isPersonaError } from '../../src/errors.ts';
import type { ChatModel } from '../../src/model/chat-model.ts';
import type { ChatMessage } from '../../src/model/template.ts';

export interface EngineServerOptions {
  /** @default any free one */
  port?: number;
  /** what a client has to show */
  key?: string;
  /** answer without log-probabilities, as some servers do. @default false */
  noLogprobs?: boolean;
}

export interface EngineServer extends AsyncDisposable {
  /** what goes into OPENAI_BASE_URL */
  url: string;
  port: number;
  /** bodies of the requests so far */
  requests: ChatRequest[];
  /** ends at once, in the middle of answers */
  kill(): Promise<void>;
}

export interface ChatRequest {
  model: string;
  messages: ChatMessage[];
  max_tokens?: number;
  max_completion_tokens?: number;
  temperature?: number;
  seed?: number;
  stop?: string | string[];
  logprobs?: boolean;
  top_logprobs?: number;
}

const DEFAULT_TOKENS = 64;

export async function startEngineServer(
  model: ChatModel,
  options: EngineServerOptions = {},
): Promise<EngineServer> {
  const requests: ChatRequest[] = [];
  const server = createServer((request, response) => {
    void answer(request, response).catch((error: unknown) => {
      const status = isPersonaError(error) && error.code !== 'ENGINE_CRASHED' ? 400 : 500;
      json(response, status, { error: { message: (error as Error).message } });
    });
  });

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (options.key !== undefined && request.headers.authorization !== `Bearer ${options.key}`)
      return json(response, 401, { error: { message: 'wrong key' } });
    if (request.url === '/v1/models')
      return json(response, 200, { object: 'list', data: [{ id: model.identity.name, object: 'model' }] });
    if (request.method !== 'POST' || request.url !== '/v1/chat/completions')
      return json(response, 404, { error: { message: `no ${request.method} ${request.url}` } });
    const parts: Buffer[] = [];
    for await (const part of request as AsyncIterable<Buffer>) parts.push(part);
    const body = JSON.parse(Buffer.concat(parts).toString()) as ChatRequest;
    requests.push(body);
    json(response, 200, await complete(body));
  }

  async function complete(body: ChatRequest): Promise<object> {
    const wantsLogprobs = body.logprobs === true && !options.noLogprobs;
    const result = await model.engine.run({
      prompt: model.render(body.messages),
      maxTokens: body.max_tokens ?? body.max_completion_tokens ?? DEFAULT_TOKENS,
      sampling: { temperature: body.temperature ?? 1, seed: body.seed ?? 0 },
      stop: [body.stop ?? []].flat(),
      ...(wantsLogprobs && { topLogprobs: body.top_logprobs ?? 0 }),
    });
    const { pieces } = await model.engine.detokenize(result.tokens);
    return {
      id: `chatcmpl-${requests.length}`,
      object: 'chat.completion',
      model: body.model,
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: result.text },
          finish_reason: result.finishReason,
          logprobs: wantsLogprobs
            ? { content: result.logprobs!.map((t, i) => tokenOf(pieces[i]!, t)) }
            : null,
        },
      ],
      usage: {
        prompt_tokens: result.promptTokens,
        completion_tokens: result.tokens.length,
        total_tokens: result.promptTokens + result.tokens.length,
      },
    };
  }

  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  async function kill(): Promise<void> {
    if (!server.listening) return;
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  }
  return { url: `http://127.0.0.1:${port}/v1`, port, requests, kill, [Symbol.asyncDispose]: kill };
}

function tokenOf(piece: string, { logprob, top }: TokenLogprobs): object {
  return {
    token: piece,
    logprob,
    top_logprobs: top.map(({ text, logprob: other }) => ({ token: text, logprob: other })),
  };
}

function json(response: ServerResponse, status: number, body: object): void {
  if (response.destroyed || response.headersSent) return;
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
