/** A small hub on 127.0.0.1: lists and serves repositories, and misbehaves on request. */

import { createHash, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface HubServer extends AsyncDisposable {
  url: string;
  /** Each request as `METHOD path range?`. */
  requests: string[];
  authorizations: (string | undefined)[];
}

export interface HubServerOptions {
  /** By repository (a data set as `datasets/owner/name`), by path. */
  repos: Record<string, Record<string, Buffer>>;
  /** How many times an answer with a file is cut after half of what was asked for. */
  cuts?: number;
  /** How many times a file request is answered with this status first. */
  failures?: { status: number; times: number };
  /** Ignore Range, as some proxies do. */
  noRange?: boolean;
  /** Say nothing after the first ten bytes of a file. */
  silent?: boolean;
  /** sha256 to claim instead of the true one. */
  claimedSha256?: string;
  /** Needs this token. */
  token?: string;
  /** Milliseconds before a file's body. */
  delayMs?: number;
}

export const commit = 'c0ffee00'.repeat(5);

/** Bytes that begin as a GGUF file does. */
export function fakeGguf(bytes: number): Buffer {
  return Buffer.concat([Buffer.from('GGUF'), randomBytes(bytes - 4)]);
}

export function sha256Of(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

export async function startHub(options: HubServerOptions): Promise<HubServer> {
  const requests: string[] = [];
  const authorizations: (string | undefined)[] = [];
  let cuts = options.cuts ?? 0;
  let failures = options.failures?.times ?? 0;

  function answer(request: IncomingMessage, response: ServerResponse): void {
    const { pathname } = new URL(request.url!, 'http://hub');
    requests.push([request.method, pathname, request.headers.range].filter(Boolean).join(' '));
    authorizations.push(request.headers.authorization);
    if (options.token && request.headers.authorization !== `Bearer ${options.token}`)
      return json(response, 401, { error: 'gated' });
    const info = /^\/api\/(?:models\/)?((?:datasets\/)?[^/]+\/[^/]+)\/revision\/(?:HEAD|refs%2Fconvert%2Fparquet)$/.exec(pathname); // prettier-ignore
    const tree = /^\/api\/(?:models\/)?((?:datasets\/)?[^/]+\/[^/]+)\/tree\/(\w+)$/.exec(pathname);
    const file = /^\/((?:datasets\/)?[^/]+\/[^/]+)\/resolve\/(\w+)\/(.+)$/.exec(pathname);
    const files = options.repos[(info ?? tree ?? file)?.[1] ?? ''];
    if (!files) return json(response, 404, { error: 'Repository not found' });
    if (info)
      return json(response, 200, { _id: '1', id: info[1], sha: commit, tags: ['gguf', 'license:mit'] });
    if (tree) return json(response, 200, Object.entries(files).map(treeEntry));
    const content = files[decodeURIComponent(file![3]!)];
    if (!content || file![2] !== commit) return json(response, 404, { error: 'Entry not found' });
    setTimeout(() => sendFile(content, request, response), options.delayMs ?? 0);
  }

  function treeEntry([path, content]: [string, Buffer]): object {
    const oid = options.claimedSha256 ?? sha256Of(content);
    return {
      type: 'file',
      path,
      size: content.length,
      oid: 'f'.repeat(40),
      lfs: { oid, size: content.length, pointerSize: 130 },
    };
  }

  function sendFile(content: Buffer, request: IncomingMessage, response: ServerResponse): void {
    if (failures-- > 0)
      return void response.writeHead(options.failures!.status, { 'retry-after': '0' }).end();
    const start = options.noRange ? 0 : Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
    if (start >= content.length) return void response.writeHead(416).end();
    const rest = content.subarray(start);
    const range = { 'content-range': `bytes ${start}-${content.length - 1}/${content.length}` };
    response.writeHead(start > 0 ? 206 : 200, { 'content-length': rest.length, ...(start > 0 && range) });
    if (options.silent)
      return start > 0 ? response.flushHeaders() : void response.write(rest.subarray(0, 10));
    if (cuts-- > 0) return void response.write(rest.subarray(0, rest.length / 2), () => response.destroy());
    response.end(rest);
  }

  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    authorizations,
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
